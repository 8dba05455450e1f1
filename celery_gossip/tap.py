"""Where tasks are counted: a subclass of each task's own Request class, in the worker's main process.

Celery builds such a class per task whenever it (re)connects (`create_request_cls`), and calls its methods at each step
of a task's life, on the event loop or on a pool's thread. The alternatives see less: without `-E`, heartbeats and
Celery's own gossip there is no event dispatcher, `Task.send_events` may be off, and the signals `task_success` and its
like fire in the pool's child. docs/design.md has the whole of it.
"""

import functools
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from billiard.einfo import ExceptionWithTraceback
from celery.exceptions import Reject
from celery.utils.serialization import UnpickleableExceptionWrapper
from celery.worker import strategy

from celery_gossip.messages import plain
from celery_gossip.metrics import Meter, Series
from celery_gossip.stamp import sent_at

__all__ = ["Tap"]

#: What Celery says of a request, and the fate that ends it. Empty: an end that is none of the fates.
_FATES = {
    "task-succeeded": "succeeded",
    "task-failed": "failed",
    "task-retried": "retried",
    "task-revoked": "revoked",
    "task-rejected": "rejected",
    "task-cancelled": "",
}

_Method = TypeVar("_Method", bound=Callable[..., None])
_taps: "WeakKeyDictionary[Any, Tap]" = WeakKeyDictionary()  # by pool
_create_request_cls = strategy.create_request_cls


class Tap:
    """Counts the tasks of one worker, known by its pool, on a Meter.

    `queue_of(request)` names the queue that a request came from, or None. To be opened before the consumer starts.
    """

    def __init__(self, meter: Meter, queue_of: Callable[[Any], str | None]) -> None:
        self._meter = meter
        self._queue_of = queue_of
        self._error: Exception | None = None

    def open(self, pool: Any) -> None:
        """Count what this pool runs, from the consumer's next start on."""
        _taps[pool] = self
        strategy.create_request_cls = _create_counted_cls

    def close(self, pool: Any) -> None:
        """Request classes that are built from now on do not count."""
        _taps.pop(pool, None)

    def receive(self, request: Any) -> "_Run":
        """A request was made of a message: what is to be counted of it. Raises nothing."""
        run = _Run(self)
        try:
            run.series = self._meter.series_of(self._queue_of(request) or "", str(request.task.name))
            run.series.receive()
            run.due_at = _due_at(request)
        except Exception as exc:
            self.note(exc)
        return run

    def note(self, exc: Exception) -> None:
        """Something went wrong in here: the first of it is kept for the step to tell."""
        self._error = self._error or exc

    def take_error(self) -> Exception | None:
        """What went wrong since the last call."""
        error, self._error = self._error, None
        return error


def _harmless(method: _Method) -> _Method:
    """Let no Exception out of a method of _Run: it is called in the midst of Celery's own handlers."""

    @functools.wraps(method)
    def guarded(self: "_Run", *args: Any, **kwargs: Any) -> None:
        if self.series is None:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as exc:
            self.tap.note(exc)

    return guarded  # type: ignore[return-value]


class _Run:
    """One request's way through the worker. A task ends once, whatever Celery says afterwards."""

    __slots__ = ("_fate", "_kind", "_runtime", "_started_at", "due_at", "series", "tap")

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.series: Series | None = None  #: None: it could not be told what it is
        self.due_at: float | None = None  #: Unix seconds of being sent, or of the ETA
        self._started_at: float | None = None
        self._runtime: float | None = None
        self._kind = ""
        self._fate: str | None = None

    @_harmless
    def start(self, time_accepted: float) -> None:
        """The pool has run it since then, monotonic seconds."""
        self._started_at = time_accepted
        waited = None
        if self.due_at is not None:
            waited = time.time() - (time.monotonic() - time_accepted) - self.due_at
        self.series.start(waited)  # type: ignore[union-attr]

    @_harmless
    def finish(self, result: Any) -> None:
        """The pool has run it to its end: `(failed, return value or ExceptionInfo, seconds)`."""
        failed, outcome, self._runtime = result
        if failed:
            self._kind = _kind_of(outcome.exception)
        else:
            self._end("succeeded")

    @_harmless
    def fail(self, exc_info: Any) -> None:
        """Celery begins to handle an exception: whether it is a failure or something else is told to hear()."""
        self._kind = _kind_of(exc_info.exception)

    @_harmless
    def hear(self, event: str) -> None:
        """Celery announces a step of this task."""
        if event in _FATES and not (event == "task-failed" and self._kind == Reject.__name__):
            self._end(_FATES[event])

    @_harmless
    def conclude(self, *, has_raised: bool) -> None:
        """Celery has handled the exception, or has raised one of its own over it."""
        if has_raised:
            self._end("failed")
        elif self._kind == Reject.__name__:  # acknowledged early, so there is nothing left to reject for Celery
            self._end("rejected")

    def _end(self, fate: str) -> None:
        if self._fate is not None:
            return
        self._fate = fate
        if fate:
            self.series.end(fate, self._ran_for(), self._kind)  # type: ignore[union-attr]

    def _ran_for(self) -> float | None:
        if self._runtime is None and self._started_at is not None:  # killed, so the pool could not tell
            return time.monotonic() - self._started_at
        return self._runtime


def _kind_of(exception: Any) -> str:
    """The class of an exception, by name, out of what a pool wraps it in."""
    if isinstance(exception, ExceptionWithTraceback):
        exception = exception.exc
    if isinstance(exception, UnpickleableExceptionWrapper):
        return plain(exception.exc_cls_name)
    return plain(type(exception).__name__)


def _due_at(request: Any) -> float | None:
    sent = sent_at(request.message.headers)
    if sent is None or request.eta is None:
        return sent
    return max(sent, float(request.eta.timestamp()))


def _create_counted_cls(base: Any, task: Any, pool: Any, *args: Any, **kwargs: Any) -> Any:
    """In place of celery.worker.request.create_request_cls."""
    made = _create_request_cls(base, task, pool, *args, **kwargs)
    tap = None
    with suppress(TypeError):  # a pool of the user's own that cannot be a key
        tap = _taps.get(pool)
    return made if tap is None else _counted(made, tap)


def _counted(base: Any, tap: Tap) -> Any:
    """`base` with each step counted. What is ours raises nothing; what is Celery's passes unchanged."""

    class Request(base):  # type: ignore[misc]
        _gossip_run = _Run(tap)  # of a user's class that announces a step before it is built

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._gossip_run = tap.receive(self)

        def on_accepted(self, pid: Any, time_accepted: float) -> Any:
            self._gossip_run.start(time_accepted)
            return super().on_accepted(pid, time_accepted)

        def on_success(self, failed__retval__runtime: Any, **kwargs: Any) -> Any:
            self._gossip_run.finish(failed__retval__runtime)
            return super().on_success(failed__retval__runtime, **kwargs)

        def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            run = self._gossip_run
            run.fail(exc_info)
            has_raised = True
            try:
                answer = super().on_failure(exc_info, *args, **kwargs)
                has_raised = False
            finally:
                run.conclude(has_raised=has_raised)
            return answer

        def send_event(self, type: Any, **fields: Any) -> Any:  # noqa: A002
            self._gossip_run.hear(type)
            return super().send_event(type, **fields)

    return Request
