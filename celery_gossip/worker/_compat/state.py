"""Undocumented state of a worker: its requests, its counters and whether it shuts down. Any thread."""

from collections.abc import Iterable
from typing import Any

from celery_gossip.worker._compat.names import find, require

__all__ = [
    "accepted_count",
    "active_apps",
    "copied",
    "is_shutdown_requested",
    "is_shutting_down",
    "is_terminate_requested",
    "requests_in",
]

_COPY_TRIES = 10


def copied(collection: Iterable[Any]) -> list[Any]:
    """Return a copy of a collection that other threads change. Raises RuntimeError after several tries."""
    for _ in range(_COPY_TRIES - 1):
        try:
            return list(collection)
        except RuntimeError:  # changed size during iteration
            continue
    return list(collection)


def requests_in(name: str) -> list[Any]:
    """Return the requests of a WeakSet of `celery.worker.state`: `active_requests` or `reserved_requests`."""
    return copied(require(f"celery.worker.state:{name}"))


def active_apps() -> list[Any]:
    """Return the Celery apps of this process; empty if they are not known."""
    apps = find("celery._state:_get_active_apps")
    return copied(apps()) if apps is not None else []


def accepted_count() -> int:
    """Return the number of tasks that the pool has accepted since the process started."""
    return int(require("celery.worker.state:all_total_count")[0])


def is_shutdown_requested() -> bool:
    """Return True once a signal has requested a shutdown, which may not have begun. An exit code of 0 counts as set."""
    return _is_set("should_stop") or is_terminate_requested()


def is_terminate_requested() -> bool:
    """Return True once a signal has requested a cold shutdown."""
    return _is_set("should_terminate")


def is_shutting_down(consumer: Any) -> bool:
    """Return True once this consumer's worker shuts down, or a shutdown was requested."""
    blueprint = getattr(getattr(consumer, "controller", None), "blueprint", None)
    state = getattr(blueprint, "state", None)
    shutdown_states = [find(f"celery.bootsteps:{name}") for name in ("CLOSE", "TERMINATE")]
    return (state is not None and state in shutdown_states) or is_shutdown_requested()


def _is_set(flag: str) -> bool:
    value = find(f"celery.worker.state:{flag}")
    return value is not None and value is not False
