"""ShutdownWatch: notices a cold shutdown at its signal, and returns the tasks that it interrupts."""

from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state as worker_state

from celery_gossip.worker.cold_shutdown import ShutdownWatch
from tests.unit.fakes import FakeRequest, a_pool


class Result:
    """billiard's ApplyResult."""

    def __init__(self, outcome: tuple[bool, Any] | None = None) -> None:
        self._job = 1
        if outcome is not None:
            self._success, self._value = outcome

    def ready(self) -> bool:
        return hasattr(self, "_value")


def raised(name: str) -> Any:
    wrapped = SimpleNamespace(exc=type(name, (Exception,), {})())
    return Result((False, SimpleNamespace(exception=wrapped)))


def a_worker(pool: str = "prefork") -> Any:
    """A consumer that drops requests from the active list when it cancels them, as Celery does."""
    calls: list[str] = []
    controller = SimpleNamespace(wait_for_soft_shutdown=lambda: calls.append("wait"))
    made = a_pool(pool)
    type(made).is_green = pool in ("gevent", "eventlet")
    consumer = SimpleNamespace(pool=made, controller=controller, calls=calls)
    consumer.cancel_active_requests = worker_state.active_requests.clear
    return consumer


def run(result: Any = None, acknowledged: bool = True) -> FakeRequest:
    request = FakeRequest()
    request.acknowledged = acknowledged
    request._apply_result = None if result is None else lambda: result
    worker_state.active_requests.add(request)
    return request


def watching(consumer: Any) -> tuple[ShutdownWatch, list[str]]:
    left: list[str] = []
    watch = ShutdownWatch(lambda: left.append("leaving"))
    watch.attach(consumer)
    return watch, left


def test_a_soft_shutdown_is_noticed_before_its_wait() -> None:
    consumer = a_worker()
    _, left = watching(consumer)
    consumer.controller.wait_for_soft_shutdown()
    assert (left, consumer.calls) == (["leaving"], ["wait"])


def test_errors_of_the_watch_are_ignored_and_those_of_celery_are_not() -> None:
    consumer = a_worker()

    def blow_up() -> None:
        raise RuntimeError("ours")

    def terminate() -> None:
        raise SystemExit(1)

    consumer.controller.wait_for_soft_shutdown = terminate
    ShutdownWatch(blow_up).attach(consumer)
    with pytest.raises(SystemExit):
        consumer.controller.wait_for_soft_shutdown()


@pytest.mark.parametrize("consumer", [SimpleNamespace(pool=None), SimpleNamespace(pool=None, controller=None)])
def test_a_celery_without_soft_shutdowns_is_left_as_it_is(consumer: Any) -> None:
    before = dict(vars(consumer))
    watching(consumer)
    assert vars(consumer) == before


@pytest.mark.parametrize(
    ("result", "is_interrupted"),
    [
        (Result(), True),
        (raised("Terminated"), True),
        (raised("WorkerLostError"), True),
        (raised("TimeLimitExceeded"), False),
        (Result((True, (False, "done", 1.0))), False),
        (Result((True, (True, "failed", None))), False),
    ],
)
def test_a_cancelled_task_of_prefork_is_judged_by_its_result(result: Any, is_interrupted: bool) -> None:
    consumer, request = a_worker(), run(result)
    watch, _ = watching(consumer)
    consumer.cancel_active_requests()
    assert watch.interrupted([]) == ([request] if is_interrupted else [])


def test_a_task_that_goes_back_to_its_queue_is_not_interrupted() -> None:
    consumer, request = a_worker(), run(Result(), acknowledged=False)
    watch, _ = watching(consumer)
    consumer.cancel_active_requests()
    assert watch.interrupted([]) == [] and request


def test_what_is_active_at_the_end_without_having_been_cancelled_is_interrupted() -> None:
    watch, _ = watching(a_worker())
    early, late = run(Result()), run(Result(), acknowledged=False)
    assert watch.interrupted([early, late]) == [early]


@pytest.mark.parametrize(("hub", "is_interrupted"), [(object(), False), (None, True)])
def test_an_acknowledgement_after_the_event_loop_has_ended_is_not_sent(hub: Any, is_interrupted: bool) -> None:
    consumer, request = a_worker(), run(raised("WorkerLostError"), acknowledged=False)
    consumer.hub = hub
    watch, _ = watching(consumer)
    consumer.cancel_active_requests()
    request.acknowledged = True
    assert watch.interrupted([]) == ([request] if is_interrupted else [])


@pytest.mark.parametrize(("flag", "is_noted"), [(True, True), (1, True), (0, True), (None, False), (False, False)])
def test_before_celery_5_5_what_runs_is_noted_when_the_worker_closes(
    monkeypatch: pytest.MonkeyPatch, flag: Any, is_noted: bool
) -> None:
    request = run(Result())
    watch, _ = watching(SimpleNamespace(pool=None))
    monkeypatch.setattr(worker_state, "should_terminate", flag)
    watch.close()
    worker_state.active_requests.clear()
    assert watch.interrupted([]) == ([request] if is_noted else [])


def test_cancelled_twice_is_listed_once() -> None:
    consumer, request = a_worker(), run(Result())
    watch, _ = watching(consumer)
    for _ in range(2):
        worker_state.active_requests.add(request)
        consumer.cancel_active_requests()
    assert watch.interrupted([request]) == [request]


def test_a_killed_greenlet_is_interrupted_though_celery_reports_a_success() -> None:
    consumer, request = a_worker("gevent"), run(object())
    watch, _ = watching(consumer)
    consumer.cancel_active_requests()
    assert watch.interrupted([]) == [request]


@pytest.mark.parametrize("is_done", [True, False])
def test_a_thread_that_has_ended_was_not_interrupted(is_done: bool) -> None:
    consumer = a_worker("thread")
    request = run(SimpleNamespace(f=SimpleNamespace(done=lambda: is_done)))
    watch, _ = watching(consumer)
    consumer.cancel_active_requests()
    assert watch.interrupted([]) == ([] if is_done else [request])
