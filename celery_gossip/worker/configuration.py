"""Configuration of a worker, as far as it is reported: an allow-list of settings, and for each what may be said of it.

Read once when the worker starts, on the main thread. A value is a flag, a number, or one of the texts that stand in
this module: no text of the configuration itself can be in a report. Of a URL only the scheme is compared with a list.
Settings that Software.settings contains are left out.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from celery_gossip.options import GossipOptions
from celery_gossip.wire.profile import MAX_SETTINGS, Setting, SettingValue
from celery_gossip.worker import _compat as compat

__all__ = ["read_configuration"]

CUSTOM = "custom"  #: stands for a text that is not listed here
_MAX_NUMBER = 1e10
_MAX_SCHEME = 80  #: characters of a URL that are looked at

_SERIALIZERS = {
    "json": "json",
    "application/json": "json",
    "pickle": "pickle",
    "application/x-python-serialize": "pickle",
    "yaml": "yaml",
    "application/x-yaml": "yaml",
    "msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
    "auth": "auth",
    "application/data": "auth",
}
_BROKERS = (
    "amqp|amqps|pyamqp|librabbitmq|redis|rediss|sentinel|valkey|sqs|memory|filesystem|mongodb|consul|etcd|zookeeper|"
    "confluentkafka|kafka|gcpubsub|azureservicebus|azurestoragequeues|sqla|sqlalchemy|slmq|pyro|qpid"
)
_BACKENDS = (
    "rpc|redis|rediss|sentinel|valkey|db|database|cache|memcached|memory|mongodb|elasticsearch|s3|azureblockblob|gs|"
    "gcs|filesystem|file|cassandra|couchbase|couchdb|arangodb|consul|dynamodb|cosmosdbsql|etcd|django-db|django-cache|"
    "disabled|amqp"
)
_DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite", "oracle", "mssql")
_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?(/[smh])?")


def _flag(value: Any) -> SettingValue | None:
    return value if isinstance(value, bool) else None


def _number(value: Any) -> SettingValue | None:
    """Return a number or, of a duration, its seconds."""
    if type(value) is timedelta:
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not isfinite(value):
        return None
    return max(-_MAX_NUMBER, min(value, _MAX_NUMBER))


def _flag_or_number(value: Any) -> SettingValue | None:
    return value if isinstance(value, bool) else _number(value)


def _one_of(*texts: str) -> Callable[[Any], SettingValue | None]:
    known = {text: text for text in texts}  # the values are those of this module, whatever the class of the setting
    return lambda value: known.get(value, CUSTOM) if type(value) is str else None


def _serializer(value: Any) -> SettingValue | None:
    return _SERIALIZERS.get(value, CUSTOM) if type(value) is str else None


def _serializers(value: Any) -> SettingValue | None:
    if type(value) not in (list, tuple, set, frozenset):
        return None
    names = {_SERIALIZERS.get(one, CUSTOM) if type(one) is str else CUSTOM for one in value}
    return ", ".join(sorted(names))


def _rate(value: Any) -> SettingValue | None:
    if type(value) is str:
        return value if _RATE.fullmatch(value) else CUSTOM
    return _number(value)


def _timezone(value: Any) -> SettingValue | None:
    """Return the name of a time zone that this machine knows."""
    if type(value) is not str:
        return None
    name = ZoneInfo(value).key if len(value) <= 40 else CUSTOM  # raises for another text
    return name if name.isascii() and name.isprintable() else CUSTOM


def _scheme(names: str) -> Callable[[Any], SettingValue | None]:
    known = names.split("|")

    def read(value: Any) -> SettingValue | None:
        if type(value) in (list, tuple) and value:
            value = value[0]
        if type(value) is not str:
            return None
        scheme = re.split("[:;]", value[:_MAX_SCHEME], maxsplit=1)[0].lower()
        name, *drivers = scheme.split("+")
        found = next((one for one in known if one == name), CUSTOM)
        dialect = next((one for one in _DIALECTS if drivers and one == drivers[0]), "")
        return f"{found}+{dialect}" if dialect and found == "db" else found

    return read


#: Reported also if they have their default.
_ALWAYS: dict[str, Callable[[Any], SettingValue | None]] = {
    "accept_content": _serializers,
    "enable_utc": _flag,
    "task_serializer": _serializer,
    "result_serializer": _serializer,
    "result_expires": _number,
    "timezone": _timezone,
    "broker_pool_limit": _number,
    "broker_heartbeat": _number,
}
#: Reported if they differ from the default.
_CHANGED: dict[str, Callable[[Any], SettingValue | None]] = {
    **dict.fromkeys(
        (
            "broker_channel_error_retry",
            "broker_connection_retry_on_startup",
            "result_persistent",
            "result_extended",
            "result_backend_always_retry",
            "task_acks_on_failure",
            "task_acks_on_timeout",
            "task_always_eager",
            "task_create_missing_queues",
            "task_eager_propagates",
            "task_inherit_parent_priority",
            "task_publish_retry",
            "task_remote_tracebacks",
            "task_retry_on_worker_lost",
            "task_send_sent_event",
            "task_store_eager_result",
            "task_store_errors_even_if_ignored",
            "task_allow_error_cb_on_chord_header",
            "worker_deduplicate_successful_tasks",
            "worker_detect_quorum_queues",
            "worker_direct",
            "worker_disable_prefetch",
            "worker_disable_rate_limits",
            "worker_enable_prefetch_count_reduction",
            "worker_enable_soft_shutdown_on_idle",
            "worker_hijack_root_logger",
            "worker_pool_putlocks",
            "worker_pool_restarts",
            "worker_redirect_stdouts",
        ),
        _flag,
    ),
    **dict.fromkeys(
        (
            "broker_connection_max_retries",
            "broker_connection_timeout",
            "broker_heartbeat_checkrate",
            "broker_pool_acquire_timeout",
            "control_queue_expires",
            "control_queue_ttl",
            "event_queue_expires",
            "event_queue_ttl",
            "redis_max_connections",
            "redis_socket_connect_timeout",
            "redis_socket_timeout",
            "result_backend_max_retries",
            "result_cache_max",
            "result_chord_join_timeout",
            "result_chord_retry_interval",
            "task_default_priority",
            "task_protocol",
            "task_queue_max_priority",
            "worker_lost_wait",
            "worker_proc_alive_timeout",
            "worker_timer_precision",
        ),
        _flag_or_number,
    ),
    "broker_failover_strategy": _one_of("round-robin", "shuffle"),
    "result_compression": _one_of("gzip", "zlib", "bzip2", "lzma", "zstd", "brotli"),
    "task_compression": _one_of("gzip", "zlib", "bzip2", "lzma", "zstd", "brotli"),
    "task_create_missing_queue_type": _one_of("classic", "quorum"),
    "task_default_queue_type": _one_of("classic", "quorum"),
    "task_default_rate_limit": _rate,
    "worker_pool_start_method": _one_of("fork", "spawn"),
}
_SETTINGS = _ALWAYS | _CHANGED
#: Options of this package, with those of install(); reported if they differ from the default.
_OWN: dict[str, Callable[[Any], SettingValue | None]] = {
    "active_limit": _number,
    "beat": _flag,
    "count_sent": _flag,
    "failure_details": _one_of("off", "message", "traceback"),
    "interval": _number,
    "refuse_unverified": _flag,
    "stacks": _one_of("stalled", "off"),
}
_NO_DEFAULT = object()


def read_configuration(consumer: Any, options: GossipOptions | None = None) -> tuple[Setting, ...]:
    """Return the settings that are reported, in the order of their names.

    One that cannot be read, or is of another type than Celery documents, is left out. Never raises.
    """
    found: dict[str, SettingValue | None] = {}
    defaults = compat.default_settings()
    for name, check in _SETTINGS.items():
        with suppress(Exception):  # a configuration may be an object of any kind
            value = consumer.app.conf.get(name)
            if value is not None and (name in _ALWAYS or not _is_equal(value, defaults.get(name, _NO_DEFAULT))):
                found[name] = check(value)
    for name, read in _DERIVED.items():
        with suppress(Exception):
            found[name] = read(consumer)
    for name, check in _OWN.items() if options is not None else ():
        value = getattr(options, name)
        if value != getattr(GossipOptions, name):
            found[f"gossip_{name}"] = check(value)
    settings = [Setting(name, value) for name, value in sorted(found.items()) if value is not None]
    return tuple(settings[:MAX_SETTINGS])


def _is_equal(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


def _in_force(conf: Any, name: str) -> Any:
    """Return a setting that Celery reads as an attribute, because an environment variable may replace it."""
    missing = object()
    value = getattr(conf, name, missing)
    return conf.get(name) if value is missing else value


def _broker(consumer: Any) -> SettingValue | None:
    conf = consumer.app.conf
    return _scheme(_BROKERS)(_in_force(conf, "broker_read_url") or _in_force(conf, "broker_url"))


def _backend(consumer: Any) -> SettingValue | None:
    value = _in_force(consumer.app.conf, "result_backend")
    return "disabled" if value is None else _scheme(_BACKENDS)(value)


def _autoscale(consumer: Any) -> SettingValue | None:
    """Return the limits of the pool as in `--autoscale`; None without it."""
    limits = compat.autoscale_limits(consumer)
    numbers = [int(one) for one in limits] if type(limits) in (list, tuple) else []
    return f"{numbers[0]:d},{numbers[1]:d}" if len(numbers) == 2 and max(map(abs, numbers)) < 1e9 else None


_DERIVED: dict[str, Callable[[Any], SettingValue | None]] = {
    "broker transport": _broker,
    "result backend": _backend,
    "autoscale": _autoscale,
}
