"""Messages that a worker holds for so long that its broker may deliver them again."""

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state as worker_state

from celery_gossip.wire.messages import HeldMessage
from celery_gossip.worker.held_messages import HeldMessages
from celery_gossip.worker.task_outcome import TaskOutcome
from tests.unit.build import FakeClock
from tests.unit.fakes import FakeRequest, a_consumer

WALL = 1_700_000_000.0
OWNER: Any = SimpleNamespace(is_closed=False, started=0)


class Scene:
    """A consumer whose requests were received at times that the test chooses."""

    def __init__(self, timeout: float | None = 3600.0) -> None:
        self.clock = FakeClock(10_000.0)
        self.consumer = a_consumer("mail")
        self.held = HeldMessages(self.consumer, lambda _: "mail", timeout, self.clock, lambda: WALL)
        self._kept: list[Any] = []  # Celery's sets are weak

    def request(self, task_id: str, age: float | None, **fields: Any) -> Any:
        request = FakeRequest(task_id)
        request._task = SimpleNamespace(name="shop.pack")
        request._gossip_outcome = TaskOutcome(OWNER)  # type: ignore[attr-defined]
        request._gossip_outcome.received_at = None if age is None else self.clock.now - age  # type: ignore[attr-defined]
        request._eta = None
        for name, value in fields.items():
            setattr(request, name, value)
        self._kept.append(request)
        return request

    def read(self) -> list[tuple[str, str, float, float]]:
        self.clock.advance(60.0)
        return [(one.id, one.state, one.age, one.remaining) for one in self.held.read()]


@pytest.fixture
def scene() -> Any:
    yield Scene()
    worker_state.active_requests.clear()
    worker_state.reserved_requests.clear()


def run(request: Any) -> None:
    worker_state.reserved_requests.add(request)
    worker_state.active_requests.add(request)


def eta_in(seconds: float) -> datetime:
    return datetime.fromtimestamp(WALL + seconds, tz=timezone.utc)


def test_a_running_task_is_held_if_it_is_not_acknowledged(scene: Scene) -> None:
    run(scene.request("late", 2000.0, acknowledged=False))
    run(scene.request("early", 3000.0, acknowledged=True))
    assert scene.read() == [("late", "running", 2060.0, 0.0)]


def test_a_reserved_task_is_held_in_any_case(scene: Scene) -> None:
    worker_state.reserved_requests.add(scene.request("id-1", 1745.0))
    assert scene.read() == [("id-1", "reserved", 1805.0, 0.0)]


def test_of_a_scheduled_task_the_time_until_its_eta_counts(scene: Scene) -> None:
    for task_id, age, seconds in (("far", 0.0, 7200.0), ("near", 100.0, 60.0), ("half", 1000.0, 900.0)):
        scene.consumer.timer.wait_for_eta(scene.request(task_id, age, _eta=eta_in(seconds)))
    assert scene.read() == [("far", "scheduled", 60.0, 7200.0), ("half", "scheduled", 1060.0, 900.0)]


def test_messages_held_for_less_than_half_of_the_timeout_are_not_reported(scene: Scene) -> None:
    worker_state.reserved_requests.add(scene.request("id-1", 1700.0))
    assert scene.read() == []


def test_the_three_that_are_held_for_longest_are_reported(scene: Scene) -> None:
    for number in range(9):
        worker_state.reserved_requests.add(scene.request(f"id-{number}", 2000.0 + number))
    assert [one[0] for one in scene.read()] == ["id-8", "id-7", "id-6"]
    assert scene.held.read()[0] == HeldMessage("mail", "shop.pack", "id-8", "reserved", 2068.0)


def test_without_the_time_of_receipt_a_message_counts_as_new(scene: Scene) -> None:
    worker_state.reserved_requests.add(scene.request("id-1", None))
    worker_state.reserved_requests.add(scene.request("id-2", 2000.0, _gossip_outcome="of another library"))
    assert scene.read() == []


@pytest.mark.parametrize("timeout", [None, 0.0])
def test_of_a_broker_without_visibility_timeout_nothing_is_read(timeout: float | None) -> None:
    scene = Scene(timeout)
    worker_state.reserved_requests.add(scene.request("id-1", 1e6))
    assert scene.read() == [] and not scene.held.is_enabled
    worker_state.reserved_requests.clear()


def test_requests_are_read_once_a_minute_and_more_often_if_the_timeout_is_short() -> None:
    for timeout, seconds in ((43_200.0, 60.0), (3600.0, 60.0), (600.0, 10.0), (5.0, 1.0)):
        scene = Scene(timeout)
        request = scene.request("id-1", 1e5)
        scene.held.read()
        worker_state.reserved_requests.add(request)
        scene.clock.advance(seconds - 0.1)
        assert scene.held.read() == ()
        scene.clock.advance(0.2)
        assert [one.id for one in scene.held.read()] == ["id-1"]
        worker_state.reserved_requests.clear()


def test_a_clock_that_jumps_has_no_negative_age(scene: Scene) -> None:
    worker_state.reserved_requests.add(scene.request("id-1", -500.0))
    scene.consumer.timer.wait_for_eta(scene.request("id-2", 1e15, _eta=eta_in(-500.0)))
    assert scene.read() == [("id-2", "scheduled", pytest.approx(1e11), 0.0)]
