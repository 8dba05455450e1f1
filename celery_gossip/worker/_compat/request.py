"""Undocumented parts of Celery's task requests, and of how strategies build them. Any thread."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from celery_gossip.worker._compat.names import find, require

__all__ = [
    "eta",
    "has_custom_strategy",
    "is_acknowledged",
    "is_redelivered",
    "promise_ids",
    "replace_request_factory",
    "request_factory",
    "retries",
    "task_name",
    "time_limits",
    "time_started",
]

_STRATEGY = "celery.worker.strategy:default"


def is_acknowledged(request: Any) -> bool:
    """Return True if the request's message is acknowledged, so that it is not delivered again."""
    return bool(getattr(request, "acknowledged", True))


def time_started(request: Any) -> float:
    """Return when the request's task started to run, Unix seconds; infinity if it is not known."""
    return getattr(request, "time_start", None) or float("inf")


def eta(request: Any, default: float) -> float:
    """Return the time before which the request's task must not start, Unix seconds; `default` if it has none."""
    due = getattr(request, "eta", None)
    return default if due is None else float(due.timestamp())


def task_name(request: Any) -> str:
    """Return the name of the request's task; empty if it is not known."""
    try:
        return str(request.task.name)
    except Exception:  # a user's own class
        return ""


def retries(request: Any) -> Any:
    """Return how often the task was retried, as its message says, which may be any value; None if it says nothing."""
    try:
        return request.request_dict.get("retries")
    except Exception:  # a user's own class
        return None


def is_redelivered(request: Any) -> bool:
    """Return True if the broker has marked the request's message as delivered before."""
    try:
        return bool(request.message.delivery_info.get("redelivered"))
    except Exception:  # a user's own class
        return False


def time_limits(request: Any) -> tuple[Any, Any]:
    """Return the soft and the hard time limit in seconds, as the pool gets them; a message may name any value.

    Celery reads those of the task when it builds the request's class: `control time_limit` has no effect until then.
    """
    try:
        hard, soft = request.time_limits
        task = getattr(request, "_gossip_limits", None)
        of_task = (request.task.soft_time_limit, request.task.time_limit) if task is None else task
        return soft or of_task[0], hard or of_task[1]
    except Exception:  # a user's own class, or limits that are no pair
        return None, None


def has_custom_strategy(task: Any) -> bool:
    """Return True for a task whose messages are not handled by Celery's default strategy."""
    strategy = getattr(task, "Strategy", _STRATEGY)
    return strategy != _STRATEGY and strategy is not find(_STRATEGY)


def promise_ids(requests: Iterable[Any]) -> set[int]:
    """Return the `id()` of the promises with which these requests acknowledge their messages."""
    return {id(getattr(request, "_on_ack", None)) for request in requests}


def request_factory() -> Callable[..., Any]:
    """Return the function with which strategies build the Request class of a task."""
    factory: Callable[..., Any] = require("celery.worker.strategy:create_request_cls")
    return factory


def replace_request_factory(factory: Callable[..., Any]) -> None:
    """Let strategies build the Request classes of tasks with this function, in all workers of this process."""
    setattr(import_module("celery.worker.strategy"), "create_request_cls", factory)  # noqa: B010 - untyped module
