"""RequestInstrumentation: counts tasks with a subclass of each task's Request class, in the worker's main process.

Celery builds such a class per task at each (re)connect (`create_request_cls`) and calls its methods at each step of a
task, on the event loop or on a thread of the pool. The alternatives see less: without `-E`, heartbeats and Celery's own
gossip there is no event dispatcher, `Task.send_events` may be off, and signals such as `task_success` are sent in the
pool's child. See "Where tasks are counted" in docs/explanation/design.md.

Messages for which Celery builds no request (an unknown task, an undecodable body) are counted where the consumer
handles them.
"""

import functools
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from celery_gossip.wire.messages import OTHER, sanitize_name
from celery_gossip.worker import _compat as compat
from celery_gossip.worker.failure_log import FailedTask, FailureLog
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.sent_at import sent_at
from celery_gossip.worker.task_outcome import TaskOutcome

__all__ = ["UNCOUNTED", "RequestInstrumentation"]

#: Consumer methods for messages that are not a task. The first is called with `(message, exc)`, the others with
#: `(body, message, …)`.
_UNDECODABLE_HANDLERS = ("on_decode_error", "on_unknown_message", "on_invalid_task")
_UNKNOWN_TASK_HANDLER = "on_unknown_task"
_CONTROL_EXCHANGE = ".pidbox"  #: end of the name; on_decode_error also gets messages of remote control
_NOT_REGISTERED = "NotRegistered"  #: class of the exception of an unknown task
_MAX_UNKNOWN = 50  #: names of unregistered tasks that are counted; any sender may invent names without end
_MIN_UNCOUNTED = 10  #: tasks that must have run without being counted before counting is reported as broken
UNCOUNTED = (  #: log line
    "celery-gossip: tasks run here that are not counted: celery.worker.strategy.create_request_cls was replaced, or "
    "this version of Celery does not call it; everything else is reported"
)

_by_pool: "WeakKeyDictionary[Any, RequestInstrumentation]" = WeakKeyDictionary()


class RequestInstrumentation:
    """Counts the tasks of one worker, identified by its pool, on a Meter.

    `queue_of(request)` returns the queue of a request, or None. Failures are kept in `failures`, if it is given. Call
    attach() before the consumer starts.
    """

    def __init__(self, meter: Meter, queue_of: Callable[[Any], str | None], failures: FailureLog | None = None) -> None:
        self._meter = meter
        self._failures = FailureLog() if failures is None else failures
        self._queue_of = queue_of
        self._error: Exception | None = None
        # Numbers of accepted and counted tasks when the latter last changed; None after the problem was reported.
        self._last_counted: tuple[int, int] | None = (0, 0)
        self._unknown: set[str] = set()  # names of unregistered tasks
        self.started = 0  #: tasks counted as started
        self.notes_receipt = False  #: True: note for each task when it was received
        self.is_closed = False

    def attach(self, pool: Any, consumer: Any = None) -> None:
        """Count the tasks of this pool from the consumer's next start on, and the consumer's undecodable messages."""
        try:
            _by_pool[pool] = self
            _replace_request_factory()
        except Exception as exc:  # custom pools may be unhashable
            self.record_error(exc)
        for name in (*_UNDECODABLE_HANDLERS, _UNKNOWN_TASK_HANDLER):
            with suppress(AttributeError, TypeError):  # an older or newer consumer without this method
                setattr(consumer, name, self._counting_handler(name, getattr(consumer, name)))

    def close(self) -> None:
        """Stop counting, also on the request classes that exist already."""
        self.is_closed = True

    def track(self, request: Any) -> TaskOutcome:
        """Count a received request; return the object to which its further steps are reported. Never raises."""
        outcome = TaskOutcome(self)
        if self.is_closed:
            return outcome
        try:
            series = outcome.series = self._meter.get_series(self._queue_of(request) or "", str(request.task.name))
            series.count_received()
            message = request.message
            sent = sent_at(message.headers)
            if sent is not None:
                eta, intake = request.eta, series.intake
                outcome.eligible_at = sent if eta is None else max(sent, float(eta.timestamp()))
                # A message that is delivered again is not behind those that were received since.
                if sent > intake.newest_sent_at and not message.delivery_info.get("redelivered"):
                    intake.newest_sent_at = sent
            if self.notes_receipt:
                outcome.received_at = time.monotonic()
        except Exception as exc:
            self.record_error(exc)
        return outcome

    def detects_uncounted(self, accepted: int) -> bool:
        """Return True once if tasks run that are not counted; `accepted` is how many this process has accepted.

        That is so if other code has replaced the function that this module replaced, or Celery no longer calls it.
        """
        if self._last_counted is None:
            return False
        counted = sum(one.started for one in {self, *_by_pool.values()})  # `accepted` includes all workers in a process
        if accepted - self._last_counted[0] >= _MIN_UNCOUNTED and counted == self._last_counted[1]:
            self._last_counted = None
            return True
        if counted != self._last_counted[1]:
            self._last_counted = (accepted, counted)
        return False

    def record_failure(self, request: Any, outcome: TaskOutcome, exc_info: Any) -> None:
        """Keep the failure that the outcome has, if it was not kept before. Never raises.

        `exc_info` is billiard's ExceptionInfo, or anything else if there is none.
        """
        try:
            failure = outcome.pop_failure()
            if failure is None or self.is_closed:
                return
            kind, runtime = failure
            queue, retries = self._queue_of(request) or "", compat.retries(request)
            failed = FailedTask(compat.task_name(request), queue, kind, request.id, runtime, retries)
            self._failures.add(failed, exc_info)
        except Exception as exc:
            self.record_error(exc)

    def record_error(self, exc: Exception) -> None:
        """Keep the first internal error for the step to report."""
        self._error = self._error or exc

    def pop_error(self) -> Exception | None:
        """Return the first error since the last call."""
        error, self._error = self._error, None
        return error

    def _counting_handler(self, name: str, handle: Callable[..., Any]) -> Callable[..., Any]:
        """Return the consumer's method with a count before it: the method may raise, or wait for a result backend."""

        @functools.wraps(handle)
        def handle_counted(*args: Any, **kwargs: Any) -> Any:
            if not self.is_closed:
                try:
                    self._count_message(name, args)
                except Exception as exc:
                    self.record_error(exc)
            return handle(*args, **kwargs)

        return handle_counted

    def _count_message(self, name: str, args: tuple[Any, ...]) -> None:
        if name != _UNKNOWN_TASK_HANDLER:
            message = args[0] if name == "on_decode_error" else args[1]
            exchange = (message.delivery_info or {}).get("exchange")
            if not str(exchange).endswith(_CONTROL_EXCHANGE):
                self._meter.count_undecodable()
            return
        body, message = args[:2]
        queue, name = self._queue_of(_Delivered(message)) or "", self._unknown_name(body, message)
        series = self._meter.get_series(queue, name)
        series.count_received()
        series.count_ended("failed", kind=_NOT_REGISTERED)
        self._failures.add(FailedTask(name, queue, _NOT_REGISTERED, _field_of(body, message, "id"), message=name))

    def _unknown_name(self, body: Any, message: Any) -> str:
        """Return the task's name, or OTHER if there are too many: they must not displace those of other tasks."""
        name = sanitize_name(_field_of(body, message, "task"))
        if name not in self._unknown and len(self._unknown) >= _MAX_UNKNOWN:
            return OTHER
        self._unknown.add(name)
        return name


@dataclass(frozen=True)
class _Delivered:
    """A message without a request, for `queue_of`."""

    message: Any


def _field_of(body: Any, message: Any, name: str) -> str:
    """Return a field such as the task's name as Celery reads it: from the headers, or from the body in protocol 1."""
    for fields in (message.headers, body, message.payload):
        if isinstance(fields, dict) and name in fields:
            return str(fields[name])
    return ""


def _replace_request_factory() -> None:
    """Let strategies build Request classes that count, on top of the classes that they build now. Idempotent."""
    create = compat.request_factory()
    if getattr(create, "is_counting", False):
        return

    @functools.wraps(create)
    def create_counted_cls(base: Any, task: Any, pool: Any, *args: Any, **kwargs: Any) -> Any:
        cls = create(base, task, pool, *args, **kwargs)
        owner = None
        try:
            owner = _by_pool.get(pool)  # custom pools may be unhashable, custom Request classes may not be subclassed
            is_counted = hasattr(cls, "_gossip_outcome")  # already, beneath another library's class
            if owner is None or owner.is_closed or is_counted:
                return cls
            return _counted_cls(cls, owner, (task.soft_time_limit, task.time_limit))
        except Exception as exc:
            if owner is not None:
                owner.record_error(exc)
            return cls

    create_counted_cls.is_counting = True  # type: ignore[attr-defined]
    compat.replace_request_factory(create_counted_cls)


def _counted_cls(base: Any, owner: RequestInstrumentation, limits: tuple[Any, Any]) -> Any:
    """Return a subclass of `base` that counts each step. It raises only what Celery's own methods raise.

    `limits`: soft and hard time limit that Celery has taken from the task when it built `base`.
    """

    class Request(base):  # type: ignore[misc]
        _gossip_limits = limits
        _gossip_outcome = TaskOutcome(owner)  # used if a custom class announces a step before __init__() returns

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._gossip_outcome = owner.track(self)

        def on_accepted(self, pid: Any, time_accepted: float) -> Any:
            self._gossip_outcome.start(time_accepted)
            return super().on_accepted(pid, time_accepted)

        def on_success(self, failed__retval__runtime: Any, **kwargs: Any) -> Any:
            self._gossip_outcome.on_result(failed__retval__runtime)
            if not self._gossip_outcome.is_undecided:
                return super().on_success(failed__retval__runtime, **kwargs)
            exc_info = _exc_info_in(failed__retval__runtime)
            return _handle_and_conclude(self, super().on_success, (failed__retval__runtime,), kwargs, exc_info)

        def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            self._gossip_outcome.on_exception(exc_info)
            return _handle_and_conclude(self, super().on_failure, (exc_info, *args), kwargs, exc_info)

        def on_timeout(self, *args: Any, **kwargs: Any) -> Any:
            self._gossip_outcome.on_timeout((args, kwargs))
            return _handle_and_conclude(self, super().on_timeout, args, kwargs)

        def send_event(self, type: Any, **fields: Any) -> Any:  # noqa: A002
            if type != "task-started":  # counted by on_accepted()
                self._gossip_outcome.on_event(type)
            return super().send_event(type, **fields)

    return Request


def _handle_and_conclude(
    request: Any, handle: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], exc_info: Any = None
) -> Any:
    """Call Celery's handler of an exception, then decide the outcome. Keep the failure as soon as it is certain."""
    outcome = request._gossip_outcome
    if not outcome.is_undecided:
        outcome.owner.record_failure(request, outcome, exc_info)
        return handle(*args, **kwargs)
    try:
        result = handle(*args, **kwargs)
    except BaseException as exc:
        outcome.conclude(request, exc)
        outcome.owner.record_failure(request, outcome, exc_info)
        raise
    outcome.conclude(request, None)
    outcome.owner.record_failure(request, outcome, exc_info)
    return result


def _exc_info_in(result: Any) -> Any:
    """Return billiard's ExceptionInfo in a pool's result: the result itself, or the value in it."""
    return result[1] if isinstance(result, tuple) and len(result) > 1 else result
