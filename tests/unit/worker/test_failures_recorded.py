"""Failures of requests are kept once, as soon as they are certain, and nothing of a request is kept alive by them."""

import gc
import weakref
from typing import Any

import pytest
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery.worker import strategy

from celery_gossip.wire.messages import Gossip
from celery_gossip.worker.failure_log import FailureLog
from celery_gossip.worker.instrumentation import RequestInstrumentation
from celery_gossip.worker.metrics import Meter
from tests.unit.build import a_gossip
from tests.unit.worker.test_instrumentation import FakeConsumer, Mishap, Worker, accept, fail, info_of, message_of


class Recording(Worker):
    """A worker whose failures are kept with their messages."""

    def __init__(self, log: Any = None) -> None:
        super().__init__()
        self.log = log or FailureLog("traceback")
        self.meter = Meter()
        self.instrumentation = RequestInstrumentation(self.meter, lambda request: "default", self.log)
        self.instrumentation.attach(self.pool)

    def report(self) -> Gossip:
        return self.log.add_to(a_gossip())

    def kept(self) -> list[tuple[str, str]]:
        """Return exception and message of each failure, oldest first."""
        gossip = self.report()
        return [(gossip.names[one.exception], str(one.message)) for one in reversed(gossip.failures)]


@pytest.fixture(autouse=True)
def celery_as_it_was() -> Any:
    create = strategy.create_request_cls
    yield
    strategy.create_request_cls = create


@pytest.fixture
def worker() -> Recording:
    return Recording()


def test_a_failure_has_the_id_name_queue_and_retries_of_its_request(worker: Recording) -> None:
    request = worker.receive(headers={"retries": 3, "id": "id-7"})
    accept(request, ago=2.0)
    fail(request, Mishap("no stock"))
    gossip = worker.report()
    (failure,) = gossip.failures
    assert (failure.id, failure.retries, failure.message) == ("id-7", 3, "no stock")
    assert (gossip.names[failure.task], gossip.names[failure.queue]) == (request.task.name, "default")
    assert failure.runtime is not None and 1.9 < failure.runtime < 10
    assert gossip.names[failure.frames[-1]].startswith("tests.unit.worker.test_instrumentation:info_of:")
    assert worker.instrumentation.pop_error() is None


@pytest.mark.parametrize("exception", [Retry(), Ignore(), Reject("bad")])
def test_what_is_no_failure_is_not_kept(worker: Recording, exception: Exception) -> None:
    fail(worker.run(), exception)
    request = worker.run()
    request.on_success((False, None, 0.1))
    assert worker.kept() == [] and worker.instrumentation.pop_error() is None


def test_a_failure_is_kept_before_celery_handles_it(worker: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handler acknowledges the message first, which may raise or hang on a lost connection."""
    request = worker.run()

    def lose(*_: Any, **__: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(request.task.backend, "mark_as_failure", lose)
    monkeypatch.setattr(type(request), "acknowledge", lose)
    with pytest.raises(ConnectionResetError):
        request.on_failure(info_of(Mishap("x")))
    assert worker.kept() == [("Mishap", "x")]


def test_a_lost_process_and_a_time_limit_are_kept_once(worker: Recording) -> None:
    worker.run().on_failure(info_of(WorkerLostError("signal 9")))
    limited = worker.run()
    limited.on_timeout(soft=False, timeout=2.0)
    limited.on_failure(info_of(TimeLimitExceeded(2.0)))
    fail(worker.run(), SoftTimeLimitExceeded(1.0))
    kept = worker.kept()
    assert [kind for kind, _ in kept] == ["WorkerLostError", "TimeLimitExceeded", "SoftTimeLimitExceeded"]
    assert kept[0][1] == "signal 9"


def test_a_lost_process_whose_task_is_delivered_again_has_not_failed(worker: Recording) -> None:
    request = worker.run(worker.task(acks_late=True, reject_on_worker_lost=True))
    request.on_failure(info_of(WorkerLostError("signal 9")))
    assert worker.kept() == []


def test_a_failure_that_celery_announces_again_is_kept_once(worker: Recording) -> None:
    request = worker.run(has_events=True)
    fail(request, Mishap("x"))
    request.on_failure(info_of(Mishap("again")))
    assert worker.kept() == [("Mishap", "x")]


def test_a_task_that_the_worker_does_not_know_is_kept(worker: Recording) -> None:
    consumer = FakeConsumer()
    worker.instrumentation.attach(worker.pool, consumer)
    headers = {"task": "no.such.task", "id": "id-9"}
    consumer.on_unknown_task(None, message_of(headers=headers), KeyError())
    gossip = worker.report()
    (failure,) = gossip.failures
    assert (failure.id, gossip.names[failure.exception], gossip.names[failure.task]) == (
        "id-9",
        "NotRegistered",
        "no.such.task",
    )


def test_an_error_of_the_log_is_recorded_and_reaches_neither_celery_nor_the_counts() -> None:
    class Broken(FailureLog):
        def add(self, failed: Any, exc_info: Any = None) -> None:
            raise KeyError("log")

    worker = Recording(Broken())
    fail(worker.run(), Mishap("x"))
    assert isinstance(worker.instrumentation.pop_error(), KeyError)
    assert worker.reported().failed == {"Mishap": 1}


def test_a_closed_instrumentation_keeps_nothing(worker: Recording) -> None:
    request = worker.run()
    worker.instrumentation.close()
    fail(request, Mishap("x"))
    assert worker.kept() == []


def test_neither_the_request_nor_the_exception_is_kept_alive(worker: Recording) -> None:
    request = worker.run()
    exception = Mishap("x")
    fail(request, exception)
    alive = [weakref.ref(request), weakref.ref(exception)]
    assert worker.kept()
    del request, exception
    gc.collect()
    assert [one() for one in alive] == [None, None]
