"""ShutdownWatch: notices a soft or cold shutdown at its signal, and which tasks it interrupts. Owned by the step.

Celery handles SIGQUIT inside the signal handler, on the main thread: it waits for `worker_soft_shutdown_timeout`,
cancels the active requests, and only then sets `should_terminate`. Therefore methods are replaced on the worker's own
objects. The code called there runs inside the signal handler: it must not acquire a lock and must not raise.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from celery_gossip.worker import _compat as compat

__all__ = ["ShutdownWatch"]

_CANCEL_METHODS = ("cancel_active_requests", "cancel_all_unacked_requests")  # the latter in Celery 5.5


@dataclass(frozen=True)
class _RunningTask:
    """A request and its state at the moment at which it was noted."""

    request: Any
    result: Any  #: the pool's result object; None if there is none, or it no longer exists
    was_acknowledged: bool

    @classmethod
    def of(cls, request: Any) -> "_RunningTask":
        return cls(request, compat.result_of(request), compat.is_acknowledged(request))


class ShutdownWatch:
    """Calls `on_shutdown` when a soft or cold shutdown begins, and notes the tasks that run when they are cancelled."""

    def __init__(self, on_shutdown: Callable[[], None]) -> None:
        self._on_shutdown = on_shutdown
        self._cancelled: dict[int, _RunningTask] = {}  # by id() of the request
        self._has_hub = False
        self._is_green = False

    def attach(self, consumer: Any) -> None:
        """Watch this consumer and its worker. Celery before 5.5 has neither method; then close() notes the tasks."""
        self._has_hub = getattr(consumer, "hub", None) is not None
        self._is_green = bool(getattr(consumer.pool, "is_green", False))
        _call_before(getattr(consumer, "controller", None), "wait_for_soft_shutdown", self._on_shutdown)
        for name in _CANCEL_METHODS:
            _call_before(consumer, name, self._note_running)

    def close(self) -> None:
        """Note the running tasks when a cold shutdown closes the worker: before 5.5 Celery cancels nothing earlier."""
        if compat.is_terminate_requested():
            self._note_running()

    def interrupted(self, active: list[Any]) -> list[Any]:
        """Return the requests that no worker will run again: acknowledged, and stopped before they ended.

        `active`: the requests that Celery lists as active at the end of the shutdown. It removes cancelled ones.
        """
        listed = {id(request) for request in active}
        tasks = {**{id(request): _RunningTask.of(request) for request in active}, **self._cancelled}
        return [
            task.request
            for task in tasks.values()
            if self._is_acknowledged(task) and not self._has_ended(task.result, id(task.request) in listed)
        ]

    def _is_acknowledged(self, task: _RunningTask) -> bool:
        # A hub sends acknowledgements; those made after its end are never sent, so the earlier state counts.
        return task.was_acknowledged if self._has_hub else compat.is_acknowledged(task.request)

    def _has_ended(self, result: Any, is_listed: bool) -> bool:
        """Return True if the task returned or raised, according to the pool's result."""
        if self._is_green:  # Celery reports a killed greenlet as a success
            return False
        return not is_listed if result is None else compat.has_returned(result)

    def _note_running(self) -> None:
        """Note the active requests: Celery cancels early-acknowledged requests, too, and removes them from its list."""
        self._on_shutdown()
        for request in compat.requests_in("active_requests"):
            self._cancelled.setdefault(id(request), _RunningTask.of(request))


def _call_before(owner: Any, name: str, call: Callable[[], None]) -> None:
    """Replace this method of this object by one that first calls `call`, and ignores its errors."""
    original = getattr(owner, name, None)
    if not callable(original):
        return

    def watched(*args: Any, **kwargs: Any) -> Any:
        with suppress(Exception):
            call()
        return original(*args, **kwargs)

    setattr(owner, name, watched)
