"""TaskOutcome: the progress of one task request from its receipt to its only outcome. Worker side.

The instrumentation creates one for each request. It is called on any thread on which Celery calls the request: the
event loop, a thread of the pool or a greenlet.
"""

import functools
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from celery.exceptions import Ignore, Reject, Retry, Terminated, TimeLimitExceeded, WorkerLostError

from celery_gossip.worker import _compat as compat
from celery_gossip.worker.series import Series

__all__ = ["OutcomeOwner", "TaskOutcome", "received_at", "started_at"]

#: Event of Celery → outcome.
_OUTCOMES = {
    "task-succeeded": "succeeded",
    "task-failed": "failed",
    "task-retried": "retried",
    "task-revoked": "revoked",
    "task-rejected": "rejected",
}
_CANCELLED = "task-cancelled"
#: Undocumented classes; `()` on a release without them, of which nothing is an instance.
_INFO: Any = compat.find("billiard.einfo:ExceptionInfo", ())
_WITH_TRACEBACK: Any = compat.find("billiard.einfo:ExceptionWithTraceback", ())
_WRAPPER: Any = compat.find("celery.utils.serialization:UnpickleableExceptionWrapper", ())
_EXITS = (SystemExit, KeyboardInterrupt)
#: The process of the task has ended or is being stopped. Celery's handler decides the outcome by the options of the
#: task: a failure, a requeue, a retry, a revocation, or even a success.
_DECIDED_BY_CELERY = (WorkerLostError, TimeLimitExceeded, Terminated, *_EXITS)
#: Noticed some time after the process has ended, so the runtime is not known.
_NOTICED_LATE = (WorkerLostError, Terminated)

_Method = TypeVar("_Method", bound=Callable[..., None])


class OutcomeOwner(Protocol):
    """The part of the instrumentation that outcomes use."""

    is_closed: bool
    started: int

    def record_error(self, exc: Exception) -> None:
        """Keep an internal error for the step to log."""

    def record_failure(self, request: Any, outcome: "TaskOutcome", exc_info: Any) -> None:
        """Keep the failure that the outcome has, if it was not kept before. Never raises."""


def _never_raises(method: _Method) -> _Method:
    """Record exceptions of a method of TaskOutcome instead of raising them: it is called inside Celery's handlers.

    The method takes exactly one argument: passing on any number of them would cost time in every task.
    """

    @functools.wraps(method)
    def guarded(self: "TaskOutcome", argument: Any) -> None:
        if self.series is None or self.owner.is_closed:
            return
        try:
            method(self, argument)
        except Exception as exc:
            self.owner.record_error(exc)

    return guarded  # type: ignore[return-value]


class TaskOutcome:
    """Counts the start of one request and its outcome. The outcome is counted once, whatever Celery announces later.

    If the outcome is certain before Celery handles it, it is counted before: Celery's handler acknowledges the message
    first, which raises or hangs on a lost connection. If the pool's process was lost or stopped, the outcome is decided
    by the events that Celery sends while it handles that, and by conclude().

    A task that Celery announces as cancelled has no outcome yet: it may still succeed (during a soft shutdown), or be
    delivered again.
    """

    __slots__ = (
        "_exception",
        "_failure",
        "_is_cancelled",
        "_is_killed",
        "_is_rejected",
        "_is_stopped",
        "_kind",
        "_may_end",
        "_runtime",
        "_started_at",
        "eligible_at",
        "owner",
        "received_at",
        "series",
    )

    #: Class of the exception, and runtime, until pop_failure(). Unset otherwise, to cost nothing in other tasks.
    _failure: tuple[str, float | None]

    def __init__(self, owner: OutcomeOwner) -> None:
        self.owner = owner
        self.series: Series | None = None  #: None if the request's queue or task could not be read: not counted
        self.eligible_at: float | None = None  #: Unix seconds of the sending, or of the ETA if that is later
        self.received_at: float | None = None  #: monotonic seconds; only if the instrumentation notes it
        self._started_at: float | None = None  # monotonic seconds
        self._runtime: float | None = None
        self._exception: Any = None  # Celery handles it now, and decides the outcome
        self._is_rejected = False  # the message, while Celery handles the exception
        self._is_cancelled = False
        self._is_killed = False
        self._is_stopped = False  # the worker had begun a cold shutdown before its process or greenlet ended
        self._kind = ""
        self._may_end = [True]  # emptied by the outcome; pop() is atomic, and several threads may report an outcome

    @property
    def is_undecided(self) -> bool:
        """True while Celery handles an exception that may mean several outcomes; call conclude() afterwards."""
        return self._exception is not None

    def pop_failure(self) -> tuple[str, float | None] | None:
        """Return the class of the exception and the runtime (None: unknown) at the first call after a failure."""
        try:
            failure = self._failure
            del self._failure
        except AttributeError:
            return None
        return failure

    @_never_raises
    def start(self, time_accepted: float) -> None:
        """Count the start; `time_accepted` in monotonic seconds, as pools report it."""
        self._started_at = time_accepted
        self.owner.started += 1
        waited = None
        if self.eligible_at is not None:
            waited = time.time() - (time.monotonic() - time_accepted) - self.eligible_at
        self.series.count_started(waited)  # type: ignore[union-attr]

    @_never_raises
    def on_result(self, result: Any) -> None:
        """Process the pool's result: `(failed, return value or ExceptionInfo, seconds or None)`.

        The seconds are None for a failed task, and for a killed greenlet: eventlet and gevent report that as a success,
        before or after Celery announces why it was killed.
        """
        if isinstance(result, _INFO):  # a pool without processes after a SystemExit: Celery raises TypeError
            self._fail(result)
            return
        failed, value, runtime = result
        if failed:
            self._fail(value)
        elif runtime is None:
            self._is_killed = True
        else:
            self._runtime = runtime
            self._end("succeeded")

    @_never_raises
    def on_exception(self, exc_info: Any) -> None:
        """Process the exception that Celery begins to handle, as billiard's ExceptionInfo."""
        self._fail(exc_info)

    @_never_raises
    def on_timeout(self, call: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
        """Process a time limit that was exceeded, as `(args, kwargs)` of Request.on_timeout.

        eventlet and gevent report a hard limit only in this way, billiard twice. A soft limit raises in the task.
        """
        args, kwargs = call
        soft, timeout = _limit_of(*args, **kwargs)
        if not soft:
            self._handle(TimeLimitExceeded(timeout), TimeLimitExceeded)

    @_never_raises
    def on_event(self, event: str) -> None:
        """Process an event that Celery sends."""
        outcome = _OUTCOMES.get(event)
        if outcome is None:
            if event == _CANCELLED:
                self._is_cancelled = True
        elif outcome == "succeeded":
            if not self._is_killed:
                self._end(outcome)
        elif outcome == "rejected" and self._exception is not None:
            self._is_rejected = True
        elif outcome == "failed":
            self._end_failed()
        else:
            self._end(outcome)

    def conclude(self, request: Any, raised: BaseException | None) -> None:
        """Decide the outcome after Celery has handled the exception; `raised` is what its handler raised."""
        if self.series is None or self.owner.is_closed:
            return
        try:
            self._conclude(request, raised)
        except Exception as exc:
            self.owner.record_error(exc)

    def _conclude(self, request: Any, raised: BaseException | None) -> None:
        exception, self._exception = self._exception, None
        if exception is None:
            return
        if self._is_rejected:
            self._end("rejected")
        elif self._is_cancelled or self._is_stopped:
            pass  # stopped by the worker itself
        elif raised is not None and _would_requeue(request, exception):
            self._end("rejected")
        else:
            self._end_failed()

    def _fail(self, exc_info: Any) -> None:
        exception = getattr(exc_info, "exception", None)
        if isinstance(exception, _WITH_TRACEBACK):
            exception = exception.exc
        if exception is not None:
            self._handle(exception, getattr(exc_info, "type", None))

    def _handle(self, exception: Any, cls: Any) -> None:
        self._kind = _name_of(exception, cls)
        if isinstance(exception, Reject):  # even if Celery cannot reject an early acknowledged message any more
            self._end("rejected")
        elif isinstance(exception, Retry):
            self._end("retried")
        elif isinstance(exception, Ignore):
            self._may_end.clear()
        elif isinstance(exception, _DECIDED_BY_CELERY):
            if self._may_end:
                self._exception = exception
                # Now, not in conclude(): Celery's handler may wait for a result backend, and a shutdown may begin then.
                self._is_stopped = compat.is_terminate_requested()
            if not isinstance(exception, _NOTICED_LATE):
                self._measure_runtime()
            else:
                self._started_at = None
        else:
            self._end_failed()

    def _end_failed(self) -> None:
        if self._end("failed"):
            self._failure = (self._kind, self._runtime)

    def _end(self, outcome: str) -> bool:
        """Count the outcome; return False if there is one already."""
        try:
            self._may_end.pop()
        except IndexError:
            return False
        self._measure_runtime()
        self.series.count_ended(outcome, self._runtime, self._kind)  # type: ignore[union-attr]
        return True

    def _measure_runtime(self) -> None:
        """Measure the runtime by the clock if the pool did not report it: pools report only that of successes."""
        if self._runtime is None and self._started_at is not None:
            self._runtime = time.monotonic() - self._started_at


def started_at(request: Any) -> float | None:
    """Return when the request's task started, monotonic seconds; None if its start was not counted."""
    outcome = getattr(request, "_gossip_outcome", None)
    return outcome._started_at if isinstance(outcome, TaskOutcome) else None


def received_at(request: Any) -> float | None:
    """Return when the request was received, or else when its task started, monotonic seconds; None if not known."""
    outcome = getattr(request, "_gossip_outcome", None)
    if not isinstance(outcome, TaskOutcome):
        return None
    return outcome._started_at if outcome.received_at is None else outcome.received_at


def _would_requeue(request: Any, exception: Any) -> bool:
    """Return True if Celery returns the message of a lost process to the queue, unless its handler raises before."""
    task = request.task
    if compat.is_acknowledged(request) or not task.acks_late:
        return False
    if isinstance(exception, TimeLimitExceeded):
        return not getattr(task, "acks_on_timeout", True)
    return isinstance(exception, WorkerLostError) and bool(task.reject_on_worker_lost)


def _limit_of(soft: bool, timeout: float) -> tuple[bool, float]:
    return soft, timeout


def _name_of(exception: Any, cls: Any) -> str:
    """Return the name of the class that the task raised.

    An exception whose class cannot be rebuilt from its arguments reaches the worker as one of a base class, or in a
    wrapper. `cls` is then the class itself, if it can be pickled.
    """
    if isinstance(exception, _WRAPPER):
        return str(exception.exc_cls_name)
    if isinstance(exception, _EXITS):
        return "WorkerLostError"
    base = type(exception)
    return str((cls if isinstance(cls, type) and issubclass(cls, base) else base).__name__)
