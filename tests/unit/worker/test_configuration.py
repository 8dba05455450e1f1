"""The configuration of a worker: what is reported of it, and that nothing else of it can be."""

import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.app.defaults import DEFAULTS

from celery_gossip.options import GossipOptions
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Profile, decode
from celery_gossip.worker import configuration as module
from celery_gossip.worker.configuration import read_configuration
from tests.unit.build import a_gossip
from tests.unit.fakes import a_consumer

SECRET = "pa55W0RD"


class Secretive:
    """A lazy object whose texts are secret, and whose comparison raises."""

    def __str__(self) -> str:
        return SECRET

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError(SECRET)

    def __hash__(self) -> int:
        raise RuntimeError(SECRET)


class SecretText(str):
    """A text that is equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("json")


class Settings(dict[str, Any]):
    """Settings of which each may raise."""

    def get(self, name: str, default: Any = None) -> Any:
        value = super().get(name, default)
        if isinstance(value, Exception):
            raise value
        return value


def a_worker(controller: Any = None, **settings: Any) -> Any:
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.update(settings)
    return a_consumer("mail", app=app, controller=controller)


def with_settings(settings: dict[str, Any]) -> Any:
    return a_consumer("mail", app=SimpleNamespace(conf=Settings(settings)))


def read(worker: Any, options: GossipOptions | None = None) -> dict[str, Any]:
    return {setting.name: setting.value for setting in read_configuration(worker, options)}


def test_the_important_settings_are_reported_and_of_the_others_those_that_differ_from_the_default() -> None:
    plain = read(a_worker())
    assert plain == {
        "accept_content": "json",
        "broker transport": "memory",
        "broker_heartbeat": 120,
        "broker_pool_limit": 10,
        "enable_utc": True,
        "result backend": "disabled",
        "result_expires": 86400.0,
        "result_serializer": "json",
        "task_serializer": "json",
    }
    changed = {
        "timezone": "Europe/Berlin",
        "result_expires": timedelta(hours=1),
        "worker_lost_wait": 5.5,
        "task_send_sent_event": True,
        "worker_hijack_root_logger": False,
        "accept_content": ["json", "application/x-python-serialize"],
        "task_default_rate_limit": "100/m",
        "broker_connection_max_retries": None,
    }
    expected = {**changed, "result_expires": 3600.0, "accept_content": "json, pickle"}
    del expected["broker_connection_max_retries"]
    assert read(a_worker(**changed)) == {**plain, **expected}


def test_options_of_this_package_are_those_in_force() -> None:
    assert "gossip_interval" not in read(a_worker(), GossipOptions())
    options = GossipOptions(interval=5.0, failure_details="message", secret=SECRET * 4, broker_url="redis://:x@h/0")
    found = read(a_worker(), options)
    assert (found["gossip_interval"], found["gossip_failure_details"]) == (5.0, "message")
    assert [name for name in found if name.startswith("gossip_")] == ["gossip_failure_details", "gossip_interval"]


def test_urls_of_the_environment_are_those_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Celery("shop", set_as_current=False)
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://:{SECRET}@h/0")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "rpc://")
    found = read(a_consumer("mail", app=app))
    assert (found["broker transport"], found["result backend"]) == ("redis", "rpc")


@pytest.mark.parametrize(
    ("limits", "expected"), [([10, 2], "10,2"), ((3, 0), "3,0"), (None, None), (SECRET, None), ([1, 2, 3], None)]
)
def test_the_limits_of_autoscaling_are_reported(limits: Any, expected: str | None) -> None:
    assert read(a_worker(SimpleNamespace(autoscale=limits))).get("autoscale") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"redis://:{SECRET}@127.0.0.1/0", "redis"),
        (f"rediss://{SECRET}", "rediss"),
        (f"sentinel://:{SECRET}@a:1;sentinel://b:2", "sentinel"),
        ([f"amqp://u:{SECRET}@a", "amqp://b"], "amqp"),
        (f"redis+socket://:{SECRET}@/tmp/x", "redis"),
        (f"{SECRET}://127.0.0.1", "custom"),
        (SECRET, "custom"),
        (f"module.{SECRET}:Transport", "custom"),
    ],
)
def test_of_the_broker_only_a_known_scheme_is_reported(url: Any, expected: str) -> None:
    assert read(with_settings({"broker_url": url}))["broker transport"] == expected
    assert read(with_settings({"broker_url": "sqs://", "broker_read_url": url}))["broker transport"] == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"db+postgresql+psycopg2://u:{SECRET}@h/x", "db+postgresql"),
        (f"db+{SECRET}://u@h/x", "db"),
        (f"redis://:{SECRET}@h/0", "redis"),
        ("rpc", "rpc"),
        ("rpc://", "rpc"),
        ("django-db", "django-db"),
        (f"cache+memcached://{SECRET}/", "cache"),
        (f"azureblockblob://DefaultEndpointsProtocol=https;AccountKey={SECRET}", "azureblockblob"),
        (f"shop.{SECRET}.Backend", "custom"),
        (None, "disabled"),
    ],
)
def test_of_the_result_backend_only_a_known_scheme_is_reported(url: Any, expected: str) -> None:
    assert read(with_settings({"result_backend": url}))["result backend"] == expected


HOSTILE = (
    SECRET,
    SecretText(SECRET),
    Secretive(),
    {SECRET: SECRET},
    [SECRET],
    (SECRET, Secretive()),
    {SECRET},
    f"redis://:{SECRET}@h/0",
    SECRET.encode(),
    RuntimeError(SECRET),
    print,
    float("nan"),
    float("inf"),
    10**400,
    lambda: SECRET,
)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
def test_no_text_of_a_setting_is_reported_whatever_its_name_and_its_kind(value: Any) -> None:
    names = {*DEFAULTS, *module._SETTINGS, "secret_key", "shop_password", "broker_transport_options"}
    settings = read_configuration(with_settings(dict.fromkeys(names, value)))
    profile = Profile(settings=settings)
    body = encode(a_gossip(profile=profile))
    assert SECRET.encode() not in body and SECRET.lower().encode() not in body
    assert decode(body).profile is not None  # within the limits of a message
    for setting in settings:
        assert type(setting.value) in (bool, int, float, str)


def test_every_listed_setting_exists_in_celery() -> None:
    newer = {
        "broker_connection_retry_on_startup",
        "task_acks_on_failure",
        "task_acks_on_timeout",
        "task_create_missing_queue_type",
        "task_default_queue_type",
        "task_retry_on_worker_lost",
        "worker_detect_quorum_queues",
        "worker_disable_prefetch",
        "worker_enable_prefetch_count_reduction",
        "worker_enable_soft_shutdown_on_idle",
        "worker_pool_start_method",
    }
    assert {name for name in module._SETTINGS if name not in DEFAULTS} <= newer


def test_the_documented_settings_are_those_that_are_reported() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "settings.md").read_text("utf-8")
    section = text.partition("## Configuration in reports")[2].partition("The time since the start")[0]
    named = set(re.findall(r"`((?:[a-z]+_)+[a-z]+|timezone)`", section))
    assert named == {*module._SETTINGS, *(f"gossip_{name}" for name in module._OWN)}


def test_settings_of_the_software_are_not_repeated() -> None:
    from celery_gossip.wire.messages import Settings as SoftwareSettings

    assert set(module._SETTINGS).isdisjoint(SoftwareSettings.__struct_fields__)


def test_without_the_defaults_of_celery_all_listed_settings_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.compat, "default_settings", dict)
    found = read(a_worker())
    assert found["worker_lost_wait"] == 10.0 and len(found) > 30
