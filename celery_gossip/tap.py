"""Where tasks are counted: a subclass of each task's own Request class, in the worker's main process.

Celery builds such a class per task whenever it (re)connects (`create_request_cls`), and calls its methods at each step
of a task's life, on the event loop or on a pool's thread. The alternatives see less: without `-E`, heartbeats and
Celery's own gossip there is no event dispatcher, `Task.send_events` may be off, and the signals `task_success` and its
like fire in the pool's child. docs/design.md has the whole of it.
"""

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery.exceptions import Ignore, Reject, Retry, TimeLimitExceeded
from celery.utils.serialization import UnpickleableExceptionWrapper
from celery.worker import state as worker_state
from celery.worker import strategy

from celery_gossip.metrics import Meter, Series
from celery_gossip.stamp import due_at

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


class Tap:
    """Counts the tasks of one worker, known by its pool, on a Meter.

    `queue_of(request)` names the queue that a request came from, or None. To be opened before the consumer starts.
    """

    def __init__(self, meter: Meter, queue_of: Callable[[Any], str | None]) -> None:
        self._meter = meter
        self._queue_of = queue_of
        self._error: Exception | None = None
        self.is_closed = False

    def open(self, pool: Any) -> None:
        """Count what this pool runs, from the consumer's next start on."""
        try:
            _taps[pool] = self
            _divert()
        except Exception as exc:  # a pool of the user's own that cannot be a key
            self.note(exc)

    def close(self) -> None:
        """Count nothing more, not on the request classes that exist either."""
        self.is_closed = True

    def receive(self, request: Any) -> "_Run":
        """A request was made of a message: what is to be counted of it. Raises nothing."""
        run = _Run(self)
        if self.is_closed:
            return run
        try:
            run.series = self._meter.series_of(self._queue_of(request) or "", str(request.task.name))
            run.series.receive()
            run.due_at = due_at(request)
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
    """Let no Exception out of a method of _Run: it is called in the midst of Celery's own handlers.

    Of one argument: to pass on any number of them would take its time in every task.
    """

    @functools.wraps(method)
    def guarded(self: "_Run", told: Any) -> None:
        if self.series is None or self.tap.is_closed:
            return
        try:
            method(self, told)
        except Exception as exc:
            self.tap.note(exc)

    return guarded  # type: ignore[return-value]


class _Run:
    """One request's way through the worker. A task ends once, whatever Celery says afterwards.

    A failure takes a while: fail(), what is announced meanwhile, and conclude(). A message that is rejected on the way
    is part of it. As a context manager it concludes.
    """

    __slots__ = (
        "_exception",
        "_is_rejected",
        "_kind",
        "_may_end",
        "_runtime",
        "_started_at",
        "due_at",
        "series",
        "tap",
    )

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.series: Series | None = None  #: None: it could not be told what it is
        self.due_at: float | None = None  #: Unix seconds of being sent, or of the ETA
        self._started_at: float | None = None
        self._runtime: float | None = None
        self._exception: Any = None  # that Celery handles just now
        self._is_rejected = False  # meanwhile
        self._kind = ""
        self._may_end = [True]  # one end to be popped: several threads may come for it

    @property
    def is_handled(self) -> bool:
        """Whether Celery handles an exception of it just now."""
        return self._exception is not None

    def __enter__(self) -> None:
        pass

    def __exit__(self, exc_type: Any, *_: object) -> None:
        self.conclude(exc_type)

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
        """The pool has run it to its end: `(failed, return value or ExceptionInfo, seconds, None where it failed)`."""
        if isinstance(result, ExceptionInfo):  # of a pool without processes, over a SystemExit: Celery stumbles here
            self.fail(result.exception)
            return
        failed, outcome, self._runtime = result
        if failed:
            self.fail(outcome.exception)
        else:
            self._end("succeeded")

    @_harmless
    def fail(self, exception: Any) -> None:
        """Celery begins to handle an exception: whether it is a failure or something else is told to hear()."""
        if isinstance(exception, ExceptionWithTraceback):
            exception = exception.exc
        self._stop()
        self._exception = exception
        self._kind = _kind_of(exception) if exception is not None else ""

    @_harmless
    def run_out(self, call: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
        """A time limit has passed, `(args, kwargs)` of on_timeout.

        Of a hard one green pools tell in no other way, and others twice.
        """
        args, kwargs = call
        soft, timeout = _limit_of(*args, **kwargs)
        if not soft:
            self.fail(TimeLimitExceeded(timeout))

    @_harmless
    def hear(self, event: str) -> None:
        """Celery announces a step of this task."""
        if self._exception is not None and event == "task-rejected":
            self._is_rejected = True
        elif event in _FATES and not (event == "task-failed" and isinstance(self._exception, Reject)):
            self._end(_FATES[event])

    @_harmless
    def conclude(self, raised: Any) -> None:
        """Celery has handled the exception, or has raised one over it, of this class."""
        exception, self._exception = self._exception, None
        if exception is None:
            return
        if raised is not None:
            self._end("failed")
        elif self._is_rejected or isinstance(exception, Reject):  # which is not announced of one acknowledged early
            self._end("rejected")
        elif isinstance(exception, Retry):
            self._end("retried")
        elif not isinstance(exception, Ignore) and not worker_state.should_terminate:
            self._end("failed")

    def _end(self, fate: str) -> None:
        if not self._may_end:
            return
        try:
            self._may_end.pop()
        except IndexError:
            return
        if fate:
            self._stop()
            self.series.end(fate, self._runtime, self._kind)  # type: ignore[union-attr]

    def _stop(self) -> None:
        """It has run until now at most, where the pool does not tell: it tells of successes alone."""
        if self._runtime is None and self._started_at is not None:
            self._runtime = time.monotonic() - self._started_at


def _limit_of(soft: bool, timeout: float) -> tuple[bool, float]:
    return soft, timeout


def _kind_of(exception: Any) -> str:
    """The class of an exception, by name, as Celery will tell of it."""
    if isinstance(exception, UnpickleableExceptionWrapper):
        return str(exception.exc_cls_name)
    if isinstance(exception, (SystemExit, KeyboardInterrupt)):
        return "WorkerLostError"
    return type(exception).__name__


def _divert() -> None:
    """Have strategies build counted classes, upon whatever builds them now."""
    create = strategy.create_request_cls
    if getattr(create, "is_counting", False):
        return

    @functools.wraps(create)
    def create_counted_cls(base: Any, task: Any, pool: Any, *args: Any, **kwargs: Any) -> Any:
        made = create(base, task, pool, *args, **kwargs)
        tap = None
        try:
            tap = _taps.get(pool)  # a pool of the user's own may be no key, and a class of theirs suffer no subclass
            is_counted = hasattr(made, "_gossip_run")  # by one of ours, beneath somebody else's
            return made if tap is None or tap.is_closed or is_counted else _counted(made, tap)
        except Exception as exc:
            if tap is not None:
                tap.note(exc)
            return made

    create_counted_cls.is_counting = True  # type: ignore[attr-defined]
    strategy.create_request_cls = create_counted_cls


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
            run = self._gossip_run
            run.finish(failed__retval__runtime)
            if not run.is_handled:  # nothing to conclude
                return super().on_success(failed__retval__runtime, **kwargs)
            with run:
                return super().on_success(failed__retval__runtime, **kwargs)

        def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            self._gossip_run.fail(getattr(exc_info, "exception", None))
            with self._gossip_run:
                return super().on_failure(exc_info, *args, **kwargs)

        def on_timeout(self, *args: Any, **kwargs: Any) -> Any:
            self._gossip_run.run_out((args, kwargs))
            with self._gossip_run:
                return super().on_timeout(*args, **kwargs)

        def send_event(self, type: Any, **fields: Any) -> Any:  # noqa: A002
            if type != "task-started":  # on_accepted() has told
                self._gossip_run.hear(type)
            return super().send_event(type, **fields)

    return Request
