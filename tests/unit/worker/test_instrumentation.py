"""RequestInstrumentation: counts each outcome once, as Celery calls a request, and lets no own error reach Celery."""

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery import Celery
from celery.exceptions import Ignore, Reject, Retry, TaskRevokedError, Terminated, TimeLimitExceeded, WorkerLostError
from celery.utils.serialization import UnpickleableExceptionWrapper
from celery.worker import request as celery_request
from celery.worker import state as worker_state
from celery.worker import strategy
from celery.worker.request import Request

from celery_gossip.wire.messages import OTHER, TaskSeries
from celery_gossip.worker import instrumentation as instrumentation_module
from celery_gossip.worker.instrumentation import RequestInstrumentation
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.series import Series
from celery_gossip.worker.task_outcome import received_at

NEWER = pytest.mark.skipif(not hasattr(Request, "_retry_worker_lost"), reason="Celery 5.7 has it")


class FakePool:
    """Takes tasks, and runs none: the test calls back, as a pool does."""

    def __init__(self) -> None:
        self.applied: list[dict[str, Any]] = []
        self.terminated: list[Any] = []

    def apply_async(self, target: Any, **options: Any) -> None:
        self.applied.append(options)

    def terminate_job(self, pid: Any, signum: Any) -> None:
        self.terminated.append(pid)


class Worker:
    """One worker's pool, meter and instrumentation, and requests as its strategy would build them."""

    def __init__(self, queue_of: Callable[[Any], str | None] = lambda request: "default") -> None:
        self.app = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.pool = FakePool()
        self.meter = Meter()
        self.instrumentation = RequestInstrumentation(self.meter, queue_of)
        self.instrumentation.attach(self.pool)
        self.sent: list[str] = []
        self.acknowledged = self.rejected = 0
        self._tasks = 0

    def task(self, name: str = "", **options: Any) -> Any:
        self._tasks += 1

        def body() -> None:
            raise AssertionError("no pool runs it")

        return self.app.task(body, name=name or f"shop.task{self._tasks}", shared=False, **options)

    def cls(self, task: Any, eventer: Any = None, base: Any = Request) -> Any:
        return strategy.create_request_cls(base, task, self.pool, "celery@web1", eventer, app=self.app)

    def receive(
        self,
        task: Any = None,
        *,
        headers: Any = None,
        base: Any = Request,
        has_events: bool = False,
        is_redelivered: bool = False,
    ) -> Any:
        """A request, as task_message_handler makes it of a message."""
        task = task or self.task()
        eventer = SimpleNamespace(enabled=True, send=lambda kind, **_: self.sent.append(kind)) if has_events else None
        message = SimpleNamespace(
            headers={"id": f"id-{time.monotonic()}", "task": task.name, **(headers or {})},
            body=b"[[], {}, {}]",
            payload=[[], {}, {}],
            content_type="application/json",
            content_encoding="utf-8",
            delivery_info={"exchange": "", "routing_key": "default", "redelivered": is_redelivered},
            properties={},
        )
        return self.cls(task, eventer, base)(
            message, on_ack=self._ack, on_reject=self._reject, app=self.app, task=task, eventer=eventer
        )

    def run(self, task: Any = None, *, base: Any = Request, has_events: bool = False) -> Any:
        """The same, accepted by the pool."""
        request = self.receive(task, base=base, has_events=has_events)
        accept(request)
        return request

    def reported(self) -> TaskSeries:
        """Return the series of its only task."""
        (series,) = self.meter.collect().series
        return series

    def _ack(self, *_: Any) -> None:
        self.acknowledged += 1

    def _reject(self, *_: Any) -> None:
        self.rejected += 1


@pytest.fixture(autouse=True)
def celery_as_it_was() -> Iterator[None]:
    """What Celery builds request classes with is a global of its own."""
    create = strategy.create_request_cls
    yield
    strategy.create_request_cls = create


@pytest.fixture
def worker() -> Worker:
    return Worker()


def accept(request: Any, ago: float = 0.0) -> None:
    request.on_accepted(4711, time.monotonic() - ago)


def info_of(exception: BaseException, *, is_of_a_child: bool = True) -> Any:
    """As billiard hands it over."""
    try:
        raise exception
    except BaseException:
        info = ExceptionInfo()
        if not is_of_a_child:
            info.exception = exception
        return info


def fail(request: Any, exception: BaseException) -> None:
    """Report that the task has raised and its process lives on: pools do that by on_success."""
    request.on_success((True, info_of(exception), None))


def ends(series: TaskSeries) -> dict[str, Any]:
    """How many ended how; `failed` by class."""
    counts = {name: getattr(series, name) for name in ("succeeded", "retried", "revoked", "rejected")}
    counts |= {f"failed:{kind}": count for kind, count in series.failed.items()}
    return {name: count for name, count in counts.items() if count}


class Mishap(Exception):
    pass


# How tasks begin.


def test_a_task_that_waits_is_received_and_not_started(worker: Worker) -> None:
    request = worker.receive()
    series = worker.reported()
    assert (series.queue, series.task) == ("default", request.task.name)
    assert (series.received, series.started, ends(series)) == (1, 0, {})


def test_a_task_that_runs_is_started(worker: Worker) -> None:
    worker.run()
    series = worker.reported()
    assert (series.received, series.started, ends(series), series.wait) == (1, 1, {}, None)


def test_a_task_whose_queue_is_unknown_is_counted_without_a_queue() -> None:
    worker = Worker(queue_of=lambda request: None)
    worker.run()
    assert (worker.reported().queue, worker.reported().started) == ("", 1)


def test_a_shadow_does_not_change_the_name(worker: Worker) -> None:
    request = worker.receive(headers={"shadow": "something else"})
    assert worker.reported().task == request.task.name != request.name


def waited(worker: Worker, headers: dict[str, Any], ago: float = 0.0) -> float | None:
    """Return the seconds that a task with these headers has waited."""
    accept(worker.receive(headers=headers), ago)
    wait = worker.reported().wait
    return None if wait is None else wait.total


def test_a_wait_is_from_the_sending_to_the_start(worker: Worker) -> None:
    assert waited(worker, {"gossip_sent_at": time.time() - 30.0}, ago=10.0) == pytest.approx(20.0, abs=1.0)


def test_an_eta_counts_from_when_it_is_due(worker: Worker) -> None:
    now = datetime.now(timezone.utc)
    headers = {"gossip_sent_at": time.time() - 3600, "eta": (now - timedelta(seconds=5)).isoformat()}
    assert waited(worker, headers) == pytest.approx(5.0, abs=1.0)


def test_an_eta_that_had_passed_when_it_was_sent_counts_from_the_sending(worker: Worker) -> None:
    now = datetime.now(timezone.utc)
    headers = {"gossip_sent_at": time.time() - 7, "eta": (now - timedelta(days=5)).isoformat()}
    assert waited(worker, headers) == pytest.approx(7.0, abs=1.0)


def test_a_naive_eta_is_taken_as_celery_takes_it(worker: Worker) -> None:
    eta = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(seconds=5)
    headers = {"gossip_sent_at": time.time() - 3600, "eta": eta.isoformat()}
    assert waited(worker, headers) == pytest.approx(5.0, abs=1.0)


@pytest.mark.parametrize(
    "stamped", [True, "1", None, float("nan"), float("inf"), 10**400, -1.0, []], ids=lambda value: repr(value)[:10]
)
def test_a_hostile_stamp_is_no_wait_and_no_error(worker: Worker, stamped: Any) -> None:
    assert waited(worker, {"gossip_sent_at": stamped}) is None
    assert (worker.reported().started, worker.instrumentation.pop_error()) == (1, None)


def newest_age(worker: Worker, *stamped: float, **options: Any) -> float | None:
    """Return the age of the newest message that is reported after receiving messages with these stamps."""
    for sent in stamped:
        worker.receive(headers={"gossip_sent_at": sent, **options.pop("headers", {})}, **options)
    return next(iter(worker.meter.newest_ages(["default"], time.time())), None)


def test_the_newest_message_counts_in_whichever_order_messages_arrive(worker: Worker) -> None:
    now = time.time()
    assert newest_age(worker, now - 30, now - 10, now - 20) == pytest.approx(10.0, abs=1.0)


def test_a_message_that_is_delivered_again_is_not_the_newest(worker: Worker) -> None:
    now = time.time()
    assert newest_age(worker, now - 30) == pytest.approx(30.0, abs=1.0)
    assert newest_age(worker, now - 10, is_redelivered=True) == pytest.approx(30.0, abs=1.0)


def test_the_sending_counts_for_the_age_of_a_message_with_an_eta(worker: Worker) -> None:
    later = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
    assert newest_age(worker, time.time() - 30, headers={"eta": later}) == pytest.approx(30.0, abs=1.0)


def test_a_retry_with_the_copied_stamp_is_not_the_newest(worker: Worker) -> None:
    assert newest_age(worker, time.time() - 3, headers={"retries": 1}) is None


@pytest.mark.parametrize("stamped", [True, "1", None, float("nan"), float("inf"), 10**400, -1.0, []], ids=repr)
def test_a_hostile_stamp_is_no_age(worker: Worker, stamped: Any) -> None:
    assert newest_age(worker, stamped) is None
    assert worker.instrumentation.pop_error() is None


def test_a_message_from_the_future_is_as_new_as_the_report(worker: Worker) -> None:
    now = time.time()
    assert newest_age(worker, now + 3600) == 0.0
    assert worker.meter.newest_ages(["default"], now + 30.05) in ((30.0,), (30.1,))


def test_a_sender_whose_clock_is_ahead_counts_as_skew(worker: Worker) -> None:
    assert waited(worker, {"gossip_sent_at": time.time() + 60}) == 0.0
    assert worker.meter.collect().skewed == 1


# How tasks end.


def test_a_success(worker: Worker) -> None:
    worker.run().on_success((False, "None", 2.5))
    series = worker.reported()
    assert (ends(series), series.runtime and series.runtime.total) == ({"succeeded": 1}, 2.5)


def test_a_failure_by_its_class(worker: Worker) -> None:
    request = worker.receive()
    accept(request, ago=3.0)
    fail(request, Mishap("x"))
    series = worker.reported()
    assert ends(series) == {"failed:Mishap": 1}
    assert series.runtime is not None and series.runtime.total == pytest.approx(3.0, abs=1.0)


def test_a_failure_in_a_process_is_of_the_class_inside(worker: Worker) -> None:
    info = info_of(Mishap("x"))
    info.exception = ExceptionWithTraceback(Mishap("x"), "traceback")
    worker.run().on_success((True, info, None))
    assert ends(worker.reported()) == {"failed:Mishap": 1}


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_an_exception_that_cannot_be_pickled_is_counted_by_its_class(worker: Worker, is_wrapped: bool) -> None:
    wrapper = UnpickleableExceptionWrapper("shop", "Mishap", ("x",))
    info = info_of(wrapper)
    info.exception = ExceptionWithTraceback(wrapper, "traceback") if is_wrapped else wrapper
    worker.run().on_success((True, info, None))
    assert ends(worker.reported()) == {"failed:Mishap": 1}


class Particular404(Mishap):
    """Reaches the worker as its base class, for it cannot be rebuilt from its arguments."""


@pytest.mark.parametrize(
    ("exception", "cls", "expected"),
    [
        (Mishap("x"), Particular404, "Particular404"),
        (Mishap("x"), Exception, "Mishap"),  # what Celery puts in place of a class that cannot be found
        (Mishap("x"), LookupError, "Mishap"),
        (Mishap("x"), None, "Mishap"),
        (Mishap("x"), "Particular404", "Mishap"),
        (UnpickleableExceptionWrapper("shop", "Odd", ("x",)), Exception, "Odd"),
        (UnpickleableExceptionWrapper("shop", "Odd", ("x",)), Particular404, "Odd"),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value))[:30],
)
def test_an_exception_is_of_the_class_that_the_task_raised(
    worker: Worker, exception: Exception, cls: Any, expected: str
) -> None:
    info = info_of(exception)
    info.type = cls
    worker.run().on_success((True, info, None))
    assert ends(worker.reported()) == {f"failed:{expected}": 1}


@pytest.mark.parametrize("is_late", [False, True])
def test_a_retry(worker: Worker, is_late: bool) -> None:
    fail(worker.run(worker.task(acks_late=is_late)), Retry("again", exc=Mishap("x")))
    assert ends(worker.reported()) == {"retried": 1}


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("requeue", [False, True])
def test_a_reject_with_early_and_with_late_acknowledgement(worker: Worker, is_late: bool, requeue: bool) -> None:
    fail(worker.run(worker.task(acks_late=is_late)), Reject("no", requeue=requeue))
    assert ends(worker.reported()) == {"rejected": 1}
    assert worker.rejected == is_late


def test_a_reject_of_the_users_own_class_is_one(worker: Worker) -> None:
    class NotNow(Reject):
        pass

    fail(worker.run(worker.task(acks_late=True)), NotNow("no"))
    assert ends(worker.reported()) == {"rejected": 1}


def test_an_exception_that_only_happens_to_be_called_reject_is_a_failure(worker: Worker) -> None:
    namesake = type("Reject", (Exception,), {})
    fail(worker.run(), namesake("x"))
    assert ends(worker.reported()) == {"failed:Reject": 1}


@pytest.mark.parametrize("is_late", [False, True])
def test_an_ignored_task_has_no_outcome(worker: Worker, is_late: bool) -> None:
    fail(worker.run(worker.task(acks_late=is_late)), Ignore())
    series = worker.reported()
    assert (series.started, ends(series), worker.acknowledged) == (1, {}, 1)


def test_a_failure_whose_message_is_rejected_is_a_failure(worker: Worker) -> None:
    task = worker.task(acks_late=True, acks_on_failure_or_timeout=False)
    fail(worker.run(task), Mishap("x"))
    assert (ends(worker.reported()), worker.rejected) == ({"failed:Mishap": 1}, 1)


@pytest.mark.parametrize("exception", [WorkerLostError("signal 9"), Terminated(9)], ids=repr)
def test_a_lost_process_has_no_runtime_because_it_is_noticed_later(worker: Worker, exception: Exception) -> None:
    request = worker.receive()
    accept(request, ago=5.0)
    request.on_failure(info_of(exception))
    series = worker.reported()
    assert ends(series) == ({"failed:WorkerLostError": 1} if isinstance(exception, WorkerLostError) else {"revoked": 1})
    assert series.runtime is None


def test_a_lost_worker_whose_task_is_requeued_has_rejected_it(worker: Worker) -> None:
    task = worker.task(acks_late=True, reject_on_worker_lost=True)
    worker.run(task).on_failure(info_of(WorkerLostError("signal 9")))
    assert (ends(worker.reported()), worker.rejected) == ({"rejected": 1}, 1)


@NEWER
def test_a_lost_worker_whose_task_is_sent_again_has_retried_it(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    task = worker.task(acks_late=True, retry_on_worker_lost=True)
    monkeypatch.setattr(task, "signature_from_request", lambda *_, **__: SimpleNamespace(apply_async=lambda: None))
    worker.run(task).on_failure(info_of(WorkerLostError("signal 9")))
    assert ends(worker.reported()) == {"retried": 1}


@NEWER
@pytest.mark.parametrize("exception", [SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_a_task_that_ends_its_process_has_lost_the_worker(worker: Worker, exception: BaseException) -> None:
    worker.run().on_failure(info_of(exception))
    assert ends(worker.reported()) == {"failed:WorkerLostError": 1}


@pytest.mark.parametrize("exception", [SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_an_exit_that_celery_raises_again_is_a_failure(worker: Worker, exception: BaseException) -> None:
    request = worker.run()
    with pytest.raises(type(exception)):
        fail(request, exception)
    assert ends(worker.reported()) == {"failed:WorkerLostError": 1}


def test_a_pool_that_calls_back_with_an_exception_alone_is_a_failure(worker: Worker) -> None:
    """As pools without processes do when a task exits; Celery stumbles over it."""
    request = worker.run()
    with pytest.raises(TypeError):
        request.on_success(info_of(WorkerLostError("SystemExit(1)")))
    assert ends(worker.reported()) == {"failed:WorkerLostError": 1}
    assert worker.instrumentation.pop_error() is None


def test_a_hard_time_limit_of_a_pool_of_processes_is_one_failure(worker: Worker) -> None:
    """billiard reports the exception, then the time limit."""
    request = worker.run()
    request.on_failure(info_of(TimeLimitExceeded(5)))
    request.on_timeout(soft=False, timeout=5)
    assert ends(worker.reported()) == {"failed:TimeLimitExceeded": 1}


def test_a_hard_time_limit_of_a_green_pool_is_one_failure(worker: Worker) -> None:
    """gevent and eventlet report only the time limit."""
    request = worker.receive()
    accept(request, ago=5.0)
    request.on_timeout(False, 5)
    series = worker.reported()
    assert ends(series) == {"failed:TimeLimitExceeded": 1}
    assert series.runtime is not None and series.runtime.total == pytest.approx(5.0, abs=1.0)


def test_a_soft_time_limit_is_no_end(worker: Worker) -> None:
    request = worker.run()
    request.on_timeout(soft=True, timeout=5)
    assert ends(worker.reported()) == {}
    request.on_success((False, "None", 6.0))
    assert ends(worker.reported()) == {"succeeded": 1}


def test_an_expired_task_is_revoked_and_never_started(worker: Worker) -> None:
    past = (datetime.now(timezone.utc) - timedelta(seconds=5)).isoformat()
    assert worker.receive(headers={"expires": past}).revoked()
    series = worker.reported()
    assert (series.received, series.started, ends(series), series.runtime) == (1, 0, {"revoked": 1}, None)


def test_a_task_that_was_revoked_before_it_ran_is_revoked_once(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    request = worker.receive()
    monkeypatch.setattr(celery_request, "revoked_tasks", {request.id})
    for _ in range(2):
        with pytest.raises(TaskRevokedError):
            request.execute_using_pool(worker.pool)
    assert (ends(worker.reported()), worker.pool.applied) == ({"revoked": 1}, [])


def test_a_terminated_task_is_revoked_once(worker: Worker) -> None:
    request = worker.run()
    request.terminate(worker.pool, signal="TERM")
    request.on_failure(info_of(Terminated(15)))
    assert (ends(worker.reported()), worker.pool.terminated) == ({"revoked": 1}, [4711])


def test_a_task_that_was_terminated_by_another_client_is_revoked(worker: Worker) -> None:
    worker.run().on_failure(info_of(Terminated(15)))
    assert ends(worker.reported()) == {"revoked": 1}


def test_a_task_that_is_terminated_before_it_starts_is_revoked_when_it_does(worker: Worker) -> None:
    request = worker.receive()
    request.terminate(worker.pool, signal="TERM")
    assert ends(worker.reported()) == {}
    accept(request)
    series = worker.reported()
    assert (series.started, ends(series)) == (1, {"revoked": 1})


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize(
    "exception",
    [Terminated(15), WorkerLostError("signal 15"), pytest.param(SystemExit(15), marks=NEWER)],
    ids=repr,
)
def test_a_cancelled_task_has_not_ended(worker: Worker, exception: BaseException, is_late: bool) -> None:
    """Nothing is counted but what Celery announces: it stores a failure where the process was lost."""
    request = worker.run(worker.task(acks_late=is_late))
    request.cancel(worker.pool)
    request.on_failure(info_of(exception), send_failed_event=False)
    assert ends(worker.reported()) == {}


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda request: request.on_success((False, "None", 1.5)), {"succeeded": 1}),
        (lambda request: fail(request, Mishap("x")), {"failed:Mishap": 1}),
        (lambda request: fail(request, Reject("no")), {"rejected": 1}),
        (lambda request: fail(request, Retry("again")), {"retried": 1}),
    ],
    ids=["success", "failure", "reject", "retry"],
)
@pytest.mark.parametrize("is_late", [False, True])
def test_a_cancelled_task_that_ends_all_the_same_has_ended_so(
    worker: Worker, end: Callable[[Any], None], expected: dict[str, int], is_late: bool
) -> None:
    """As in a soft shutdown, of which Celery reads the results after it has announced them as cancelled."""
    request = worker.run(worker.task(acks_late=is_late))
    request.cancel(worker.pool)
    end(request)
    assert ends(worker.reported()) == expected


@pytest.mark.parametrize("is_announced_first", [False, True])
@pytest.mark.parametrize("has_events", [False, True])
def test_a_killed_greenlet_that_reports_success_was_revoked(
    worker: Worker, is_announced_first: bool, has_events: bool
) -> None:
    """eventlet calls back before Celery announces the end, gevent afterwards; a real success has a runtime."""
    request = worker.run(worker.task(acks_late=True, send_events=True), has_events=has_events)
    steps = [lambda: request.on_success((False, None, None)), lambda: request.terminate(worker.pool)]
    for step in steps[::-1] if is_announced_first else steps:
        step()
    assert ends(worker.reported()) == {"revoked": 1}


def test_a_killed_greenlet_that_was_cancelled_has_not_ended(worker: Worker) -> None:
    request = worker.run(worker.task(acks_late=True))
    request.on_success((False, None, None))
    request.cancel(worker.pool)
    assert ends(worker.reported()) == {}


def test_an_exception_while_a_failure_is_handled_is_a_failure_of_the_task(worker: Worker) -> None:
    request = worker.run()
    with pytest.raises(MemoryError):
        fail(request, MemoryError("too much"))
    assert ends(worker.reported()) == {"failed:MemoryError": 1}


def test_a_failed_acknowledgement_changes_no_outcome(worker: Worker) -> None:
    task = worker.task(acks_late=True)
    requests = [worker.run(task) for _ in range(2)]

    def refuse(*_: Any) -> None:
        raise ConnectionError("gone")

    for request in requests:
        request._on_ack = refuse
    with pytest.raises(ConnectionError):
        requests[0].on_success((False, "None", 1.0))
    with pytest.raises(ConnectionError):
        fail(requests[1], Mishap("x"))
    assert ends(worker.reported()) == {"succeeded": 1, "failed:Mishap": 1}


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (Reject("no"), {"rejected": 1}),
        (Retry("again"), {"retried": 1}),
        (Ignore(), {}),
        (Mishap("x"), {"failed:Mishap": 1}),
    ],
    ids=repr,
)
@pytest.mark.parametrize("is_direct", [False, True])
def test_an_outcome_is_counted_before_the_message_is_acknowledged(
    worker: Worker, exception: Exception, expected: dict[str, int], is_direct: bool
) -> None:
    """On a connection that is gone the acknowledgement raises, or hangs."""
    request = worker.run(worker.task(acks_late=True))
    seen: list[dict[str, Any]] = []

    def refuse(*_: Any) -> None:
        seen.append(ends(worker.reported()))
        raise ConnectionError("gone")

    request._on_ack = request._on_reject = refuse
    with pytest.raises(ConnectionError):
        if is_direct:
            request.on_failure(info_of(exception))
        else:
            fail(request, exception)
    assert seen == [expected]
    assert ends(worker.reported()) == expected


@pytest.mark.parametrize(
    ("options", "exception", "expected"),
    [
        ({}, WorkerLostError("signal 9"), {"failed:WorkerLostError": 1}),
        ({"reject_on_worker_lost": True}, WorkerLostError("signal 9"), {"rejected": 1}),
        ({}, TimeLimitExceeded(5), {"failed:TimeLimitExceeded": 1}),
        ({"reject_on_worker_lost": True}, TimeLimitExceeded(5), {"failed:TimeLimitExceeded": 1}),
    ],
    ids=["lost", "lost and requeued", "limit", "limit of a task that is requeued when lost"],
)
def test_a_lost_process_ends_as_its_task_is_configured_if_the_broker_cannot_be_reached(
    worker: Worker, options: dict[str, Any], exception: Exception, expected: dict[str, int]
) -> None:
    def refuse(*_: Any) -> None:
        raise ConnectionError("gone")

    request = worker.run(worker.task(acks_late=True, **options))
    request._on_ack = request._on_reject = refuse
    with pytest.raises(ConnectionError):
        request.on_failure(info_of(exception))
    assert ends(worker.reported()) == expected


def test_a_lost_process_whose_message_was_acknowledged_early_has_failed_whatever_celery_raises(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("the result backend is gone")

    request = worker.run()
    monkeypatch.setattr(worker.app.backend, "mark_as_failure", refuse)
    with pytest.raises(OSError, match="backend"):
        request.on_failure(info_of(WorkerLostError("signal 9")))
    assert ends(worker.reported()) == {"failed:WorkerLostError": 1}


@pytest.mark.parametrize("exit_code", [0, 1, True])
def test_a_process_that_a_cold_shutdown_ends_is_no_failure(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, exit_code: Any
) -> None:
    monkeypatch.setattr(worker_state, "should_terminate", exit_code)
    request = worker.run()
    request.on_failure(info_of(WorkerLostError("exit")), send_failed_event=False)
    assert ends(worker.reported()) == {}


def test_a_process_that_was_lost_before_a_cold_shutdown_began_has_failed(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin_shutdown(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(worker_state, "should_terminate", 0)

    monkeypatch.setattr(worker.app.backend, "mark_as_failure", begin_shutdown)
    worker.run().on_failure(info_of(WorkerLostError("signal 9")))
    assert ends(worker.reported()) == {"failed:WorkerLostError": 1}


@pytest.mark.parametrize(
    ("exception", "expected"),
    [(Mishap("x"), {"failed:Mishap": 1}), (Reject("no"), {"rejected": 1}), (Retry("again"), {"retried": 1})],
    ids=repr,
)
def test_a_task_that_ends_by_itself_in_a_cold_shutdown_has_ended_so(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, exception: Exception, expected: dict[str, int]
) -> None:
    monkeypatch.setattr(worker_state, "should_terminate", 0)
    fail(worker.run(), exception)
    assert ends(worker.reported()) == expected


def test_a_message_with_an_eta_that_is_no_time_is_rejected(worker: Worker) -> None:
    worker.receive().reject(requeue=False)  # as the strategy does
    assert ends(worker.reported()) == {"rejected": 1}


@pytest.mark.parametrize("first", range(4))
def test_a_task_ends_once(worker: Worker, first: int) -> None:
    request = worker.run()
    steps: list[Callable[[], Any]] = [
        lambda: request.on_success((False, "None", 1.0)),
        lambda: fail(request, Mishap("x")),
        lambda: request.on_timeout(False, 5),
        lambda: request.terminate(worker.pool, signal="TERM"),
    ]
    for step in steps[first:] + steps[:first]:
        step()
    assert sum(ends(worker.reported()).values()) == 1


def test_a_task_that_two_threads_end_ends_once(worker: Worker) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    task = worker.task()
    try:
        for _ in range(200):
            run = worker.run(task)._gossip_outcome
            threads = [
                threading.Thread(target=run.on_event, args=(f"task-{outcome}",)) for outcome in ("revoked", "succeeded")
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sum(ends(worker.reported()).values()) == 200


@pytest.mark.parametrize("has_events", [True, False])
def test_with_events_or_without_the_same_is_counted(worker: Worker, has_events: bool) -> None:
    task = worker.task(send_events=True)
    worker.run(task, has_events=has_events).on_success((False, "None", 1.0))
    fail(worker.run(task, has_events=has_events), Mishap("x"))
    assert ends(worker.reported()) == {"succeeded": 1, "failed:Mishap": 1}
    assert worker.sent == (["task-started", "task-succeeded", "task-started", "task-failed"] if has_events else [])


# Classes of the user's own.


class Own(Request):  # type: ignore[misc]
    """A project's own class that calls its base as it should."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        super().on_failure(exc_info, send_failed_event, return_ok)
        return "own"


def test_a_class_that_calls_its_base_changes_nothing(worker: Worker) -> None:
    request = worker.run(base=Own)
    assert isinstance(request, Own)
    assert request.on_success((True, info_of(Mishap("x")), None)) == "own"
    assert ends(worker.reported()) == {"failed:Mishap": 1}


class Silent(Request):  # type: ignore[misc]
    """A class that sends no events for what it handles."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        pass

    def on_timeout(self, soft: Any, timeout: Any) -> Any:
        pass


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (Mishap("x"), {"failed:Mishap": 1}),
        (Retry("again"), {"retried": 1}),
        (Reject("no"), {"rejected": 1}),
        (Ignore(), {}),
    ],
    ids=repr,
)
def test_a_failure_that_a_class_handles_without_an_event_is_counted_by_its_exception(
    worker: Worker, exception: Exception, expected: dict[str, int]
) -> None:
    fail(worker.run(base=Silent), exception)
    assert ends(worker.reported()) == expected


def test_a_time_limit_that_a_class_handles_without_an_event_is_counted(worker: Worker) -> None:
    worker.run(base=Silent).on_timeout(False, 5)
    assert ends(worker.reported()) == {"failed:TimeLimitExceeded": 1}


class Particular(Request):  # type: ignore[misc]
    """A class that accepts time limits only in the way in which billiard reports them."""

    def on_timeout(self, *, soft: Any, timeout: Any) -> Any:
        if soft:
            raise LookupError("soft")


def test_a_method_is_called_as_the_pool_has_called_it(worker: Worker) -> None:
    request = worker.run(base=Particular)
    with pytest.raises(LookupError):
        request.on_timeout(soft=True, timeout=5)
    assert ends(worker.reported()) == {}
    request.on_timeout(soft=False, timeout=5)
    assert ends(worker.reported()) == {"failed:TimeLimitExceeded": 1}


class Raising(Request):  # type: ignore[misc]
    """One whose every method is broken."""

    def on_accepted(self, pid: Any, time_accepted: float) -> Any:
        raise LookupError("accepted")

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        raise LookupError("failure")

    def send_event(self, type: Any, **fields: Any) -> Any:  # noqa: A002
        raise LookupError("event")


def test_what_a_class_raises_passes_unchanged_and_the_task_is_counted(worker: Worker) -> None:
    request = worker.receive(base=Raising)
    with pytest.raises(LookupError, match="accepted"):
        accept(request)
    with pytest.raises(LookupError, match="failure"):
        fail(request, Mishap("x"))
    with pytest.raises(LookupError, match="event"):
        request.send_event("task-failed")
    series = worker.reported()
    assert (series.started, ends(series), worker.instrumentation.pop_error()) == (1, {"failed:Mishap": 1}, None)


class Hasty(Request):  # type: ignore[misc]
    """One that announces events before it is built."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for event in ("task-started", "task-revoked", "task-failed"):
            self.send_event(event)
        super().__init__(*args, **kwargs)

    def send_event(self, type: Any, **fields: Any) -> Any:  # noqa: A002
        if hasattr(self, "id"):
            super().send_event(type, **fields)


def test_events_before_a_request_is_built_are_not_counted(worker: Worker) -> None:
    task = worker.task()
    requests = [worker.run(task, base=Hasty) for _ in range(2)]
    requests[0].on_success((False, "None", 1.0))
    series = worker.reported()
    assert (series.received, series.started, ends(series)) == (2, 2, {"succeeded": 1})


class Stillborn(Request):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise LookupError("init")


def test_a_request_that_cannot_be_built_is_not_received(worker: Worker) -> None:
    with pytest.raises(LookupError, match="init"):
        worker.receive(base=Stillborn)
    assert worker.meter.collect().series == ()


class Nameless(Request):  # type: ignore[misc]
    task = property(lambda self: None)


def test_a_request_without_a_name_is_not_counted(worker: Worker) -> None:
    request = worker.receive(base=Nameless)
    request._gossip_outcome.start(time.monotonic())
    assert worker.meter.collect().series == ()
    assert isinstance(worker.instrumentation.pop_error(), AttributeError)


# Errors.


@pytest.mark.parametrize(
    ("owner", "method"),
    [(Meter, "get_series"), *((Series, name) for name in ("count_received", "count_started", "count_ended"))],
)
@pytest.mark.parametrize("error", [MemoryError, KeyError, RecursionError, OSError])
def test_nothing_that_breaks_in_here_reaches_celery(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, owner: Any, method: str, error: type[Exception]
) -> None:
    def blow_up(*_: Any, **__: Any) -> Any:
        raise error("broken")

    monkeypatch.setattr(owner, method, blow_up)
    task = worker.task(acks_late=True)
    worker.run(task).on_success((False, "None", 1.0))
    for exception in (Mishap("x"), Retry("again"), Reject("no"), Ignore()):
        fail(worker.run(task), exception)
    worker.run(task).on_timeout(False, 5)
    worker.run(task).terminate(worker.pool)
    assert (worker.acknowledged, worker.rejected) == (6, 1)
    assert isinstance(worker.instrumentation.pop_error(), error)
    assert worker.instrumentation.pop_error() is None, "it is returned once"


def test_a_queue_that_cannot_be_asked_for_costs_the_count_alone() -> None:
    def blow_up(request: Any) -> str:
        raise OSError("broken")

    worker = Worker(queue_of=blow_up)
    worker.run().on_success((False, "None", 1.0))
    assert worker.meter.collect().series == ()
    assert isinstance(worker.instrumentation.pop_error(), OSError)


def test_the_first_error_is_kept(worker: Worker) -> None:
    for error in (KeyError("first"), OSError("second")):
        worker.instrumentation.record_error(error)
    assert repr(worker.instrumentation.pop_error()) == "KeyError('first')"


@pytest.mark.parametrize("result", [None, (), (False,), (True, None, None), "text", (False, "x", "long")], ids=repr)
def test_an_invalid_result_raises_what_celery_raises(worker: Worker, result: Any) -> None:
    def outcome(cls: Any) -> str:
        try:
            cls.on_success(result)
        except Exception as exc:
            return repr(exc)
        return "fine"

    task = worker.task()
    bare = worker.cls(task).__mro__[1]
    counted = worker.run(task)
    uncounted = bare(counted.message, app=worker.app, task=task)
    assert outcome(counted) == outcome(uncounted)


# Attaching and closing.


def test_an_instrumentation_that_is_closed_counts_nothing_more(worker: Worker) -> None:
    running, waiting = worker.run(), worker.receive()
    before = worker.meter.collect().series
    worker.instrumentation.close()
    running.on_success((False, "None", 1.0))
    accept(waiting)
    late = worker.run()
    fail(late, Mishap("x"))
    assert [(one.received, one.started, ends(one)) for one in worker.meter.collect().series] == [
        (one.received, one.started, ends(one)) for one in before
    ]
    assert not hasattr(late, "_gossip_outcome")


def test_two_workers_in_one_process_do_not_mix() -> None:
    one, other = Worker(), Worker()
    one.run().on_success((False, "None", 1.0))
    fail(other.run(), Mishap("x"))
    assert (ends(one.reported()), ends(other.reported())) == ({"succeeded": 1}, {"failed:Mishap": 1})
    one.instrumentation.close()
    other.run(other.app.tasks["shop.task1"]).on_success((False, "None", 1.0))
    assert (one.reported().received, other.reported().received) == (1, 2)


def test_a_worker_without_an_instrumentation_gets_celerys_own_class(worker: Worker) -> None:
    task = worker.task()
    made = strategy.create_request_cls(Request, task, FakePool(), "celery@web1", None, app=worker.app)
    assert not hasattr(made, "_gossip_outcome")


class Slotted:
    """A pool that cannot be referenced weakly."""

    __slots__ = ()

    def apply_async(self, *_: Any, **__: Any) -> None:
        pass


@pytest.mark.parametrize("pool", [Slotted(), None], ids=["slots", "none"])
def test_a_pool_that_cannot_be_known_again_costs_the_counting_alone(worker: Worker, pool: Any) -> None:
    instrumentation = RequestInstrumentation(Meter(), lambda request: "default")
    instrumentation.attach(pool)
    assert isinstance(instrumentation.pop_error(), TypeError)
    task = worker.task()
    made = strategy.create_request_cls(Request, task, pool or Slotted(), "celery@web1", None, app=worker.app)
    assert not hasattr(made, "_gossip_outcome")


def test_an_instrumentation_does_not_keep_its_pool_alive(worker: Worker) -> None:
    assert worker.instrumentation in instrumentation_module._by_pool.values()
    worker.pool = FakePool()
    gc.collect()
    assert worker.instrumentation not in instrumentation_module._by_pool.values()


def test_what_others_have_put_in_celerys_place_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before us or after us: each class is built by them, and counted once."""
    built: list[str] = []

    def watching(name: str) -> None:
        create = strategy.create_request_cls

        def create_watched_cls(*args: Any, **kwargs: Any) -> Any:
            built.append(name)
            return type("Watched", (create(*args, **kwargs),), {})

        strategy.create_request_cls = create_watched_cls

    monkeypatch.setattr(strategy, "create_request_cls", celery_request.create_request_cls)
    watching("before")
    first = Worker()
    watching("after")
    second = Worker()  # finds theirs, not ours, and puts itself on top
    for worker in (first, second):
        worker.run().on_success((False, "None", 1.0))
    assert built == ["after", "before"] * 2
    assert [(one.received, ends(one)) for one in (first.reported(), second.reported())] == [(1, {"succeeded": 1})] * 2


def test_a_request_class_that_does_not_allow_subclassing_is_not_counted_and_works(worker: Worker) -> None:
    class Sealed(Request):
        def __init_subclass__(cls, **_: Any) -> None:
            if cls.__module__ == instrumentation_module.__name__:
                raise TypeError("sealed")

    request = worker.receive(base=Sealed)
    assert not hasattr(request, "_gossip_outcome")
    assert isinstance(worker.instrumentation.pop_error(), TypeError)


def test_a_pool_whose_hash_raises_is_not_counted() -> None:
    class Odd:
        def __hash__(self) -> int:
            raise ValueError("no key")

    instrumentation = RequestInstrumentation(Meter(), lambda request: "default")
    instrumentation.attach(Odd())
    assert isinstance(instrumentation.pop_error(), ValueError)


# Messages for which Celery builds no request.


class FakeConsumer:
    """The methods of Celery's consumer that take such messages."""

    def __init__(self) -> None:
        self.handled: list[tuple[str, tuple[Any, ...]]] = []

    def on_decode_error(self, message: Any, exc: Any) -> str:
        return self._handle("decode", message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> str:
        return self._handle("unknown_message", body, message)

    def on_unknown_task(self, body: Any, message: Any, exc: Any) -> str:
        return self._handle("unknown_task", body, message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Any) -> str:
        return self._handle("invalid_task", body, message, exc)

    def _handle(self, name: str, *args: Any) -> str:
        self.handled.append((name, args))
        return name


def message_of(headers: Any = None, payload: Any = None, exchange: str = "") -> Any:
    return SimpleNamespace(headers=headers or {}, payload=payload, delivery_info={"exchange": exchange})


@pytest.fixture
def consumer(worker: Worker) -> FakeConsumer:
    consumer = FakeConsumer()
    worker.instrumentation.attach(worker.pool, consumer)
    return consumer


@pytest.mark.parametrize(
    "arguments",
    [
        (None, message_of(headers={"task": "shop.gone"})),
        ({"task": "shop.gone"}, message_of()),
        (None, message_of(payload={"task": "shop.gone"})),
    ],
    ids=["protocol 2", "protocol 1", "protocol 1, not decoded"],
)
def test_a_task_that_the_worker_does_not_know_was_received_and_failed(
    worker: Worker, consumer: FakeConsumer, arguments: tuple[Any, ...]
) -> None:
    error = KeyError("shop.gone")
    assert consumer.on_unknown_task(*arguments, error) == "unknown_task"
    series = worker.reported()
    assert (series.queue, series.task) == ("default", "shop.gone")
    assert (series.received, series.started, ends(series)) == (1, 0, {"failed:NotRegistered": 1})
    assert consumer.handled == [("unknown_task", (*arguments, error))]


def test_names_of_unknown_tasks_without_end_do_not_displace_those_of_others(
    worker: Worker, consumer: FakeConsumer
) -> None:
    for number in range(2_000):
        consumer.on_unknown_task(None, message_of(headers={"task": f"invented-{number}"}), KeyError())
    series = {series.task for series in worker.meter._series.values()}
    assert len(series) == 51 and OTHER in series
    other = worker.meter.get_series("default", OTHER)
    assert (other._received, other._failed) == (1_950, {"NotRegistered": 1_950})
    assert len(worker.instrumentation._unknown) == 50


@pytest.mark.parametrize("is_noted", [True, False])
def test_the_time_of_receipt_is_noted_if_that_is_asked_for(worker: Worker, is_noted: bool) -> None:
    worker.instrumentation.notes_receipt = is_noted
    request = worker.receive()
    assert (received_at(request) is not None) is is_noted


def test_a_message_that_is_no_task_is_counted_as_such(worker: Worker, consumer: FakeConsumer) -> None:
    message = message_of()
    consumer.on_decode_error(message, ValueError("x"))
    consumer.on_unknown_message(None, message)
    consumer.on_invalid_task({}, message, ValueError("x"))
    assert worker.meter.collect().undecodable == len(consumer.handled) == 3
    assert worker.meter.collect().series == ()


def test_a_broken_message_of_remote_control_is_none_of_a_queue(worker: Worker, consumer: FakeConsumer) -> None:
    consumer.on_decode_error(message_of(exchange="celery.pidbox"), ValueError("x"))
    assert (worker.meter.collect().undecodable, len(consumer.handled)) == (0, 1)


@pytest.mark.parametrize("message", [None, SimpleNamespace(), message_of(headers=7)], ids=repr)
def test_a_message_that_cannot_be_read_reaches_celery_all_the_same(
    worker: Worker, consumer: FakeConsumer, message: Any
) -> None:
    consumer.on_unknown_task(None, message, KeyError())
    consumer.on_decode_error(message, ValueError())
    assert [name for name, _ in consumer.handled] == ["unknown_task", "decode"]


def test_a_consumer_without_these_methods_costs_nothing(worker: Worker) -> None:
    worker.instrumentation.attach(worker.pool, object())
    assert worker.instrumentation.pop_error() is None


def test_an_instrumentation_that_is_closed_counts_no_message(worker: Worker, consumer: FakeConsumer) -> None:
    worker.instrumentation.close()
    consumer.on_decode_error(message_of(), ValueError())
    assert (worker.meter.collect().undecodable, len(consumer.handled)) == (0, 1)


# Whether counting still works.


def test_tasks_that_run_and_are_not_counted_are_detected_once(worker: Worker) -> None:
    worker.run()
    assert not worker.instrumentation.detects_uncounted(accepted=1)
    assert not worker.instrumentation.detects_uncounted(accepted=10), "a few may be under way"
    assert worker.instrumentation.detects_uncounted(accepted=11)
    assert not worker.instrumentation.detects_uncounted(accepted=100)


def test_a_worker_that_counts_is_never_called_broken(worker: Worker) -> None:
    for accepted in range(0, 100, 5):
        worker.run()
        assert not worker.instrumentation.detects_uncounted(accepted=accepted)


def test_a_worker_whose_neighbour_in_the_process_works_is_not_called_broken(worker: Worker) -> None:
    other = Worker()
    for accepted in range(0, 100, 5):
        other.run()
        assert not worker.instrumentation.detects_uncounted(accepted=accepted)


def test_a_worker_that_never_counted_is_detected(worker: Worker) -> None:
    assert not worker.instrumentation.detects_uncounted(accepted=0)
    assert worker.instrumentation.detects_uncounted(accepted=10)
