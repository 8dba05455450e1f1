"""Undocumented names for the options in force of a worker, its broker's visibility timeout, defaults. Main thread."""

from collections.abc import Mapping
from typing import Any

from celery_gossip.worker._compat.names import find

__all__ = ["autoscale_limits", "default_settings", "option_in_force", "redelivery_timeout"]

_REDIS_CHANNEL = "kombu.transport.redis:Channel"


def option_in_force(consumer: Any, attribute: str, setting: str) -> Any:
    """Return the value with which the worker runs: that of its command line, or else of the setting."""
    missing = object()
    value = getattr(getattr(consumer, "controller", None), attribute, missing)
    return consumer.app.conf.get(setting) if value is missing else value


def autoscale_limits(consumer: Any) -> Any:
    """Return the highest and the lowest number of slots as the worker was started with; None without autoscaling."""
    return getattr(getattr(consumer, "controller", None), "autoscale", None)


def default_settings() -> Mapping[str, Any]:
    """Return `{setting: default}` of Celery; empty on a release that does not have this table."""
    found: Mapping[str, Any] = find("celery.app.defaults:DEFAULTS", {})
    return found


def redelivery_timeout(app: Any) -> Any:
    """Return the seconds after which the broker of the tasks delivers a message again that is not acknowledged.

    None on a transport without such a timeout, and where it is not known: a queue of SQS that was created by someone
    else has its own. The value may be of any type. Connects to nothing.
    """
    with app.connection_for_read() as connection:
        driver, options = connection.get_transport_cls().driver_type, connection.transport_options or {}
    if driver == "sqs":
        return None if options.get("predefined_queues") else options.get("visibility_timeout")
    if driver != "redis" or not options.get("ack_emulation", True):
        return None
    default = getattr(find(_REDIS_CHANNEL), "visibility_timeout", None)
    return options.get("visibility_timeout", default)
