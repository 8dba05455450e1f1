"""Single waiting tasks in a report: only those that wait for longer, fairly chosen, and never more than fit."""

import datetime
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from celery.worker import state as worker_state
from kombu import Queue
from kombu.utils.limits import TokenBucket

from celery_gossip.wire.messages import MAX_WAITING_TASKS, WaitingTask
from celery_gossip.worker import task_details
from celery_gossip.worker.probe import Probe, Reading
from tests.unit.build import FakeClock
from tests.unit.fakes import FakeRequest, a_consumer

QUEUE = {"exchange": "", "routing_key": "default"}


class Worker:
    """A worker with one queue, whose probe reads it once a second."""

    def __init__(self, active_limit: int = 100) -> None:
        self.clock, self.wall = FakeClock(), FakeClock(5000.0)
        self.bucket = TokenBucket(1.0)
        self.consumer = a_consumer("default", task_buckets={"nap": self.bucket})
        self.probe = Probe(self.consumer, active_limit, wall=self.wall, clock=self.clock)
        self._kept: list[FakeRequest] = []

    def request(self, task_id: Any, name: str = "shop.pay", **fields: Any) -> FakeRequest:
        request = FakeRequest(task_id, **QUEUE)
        request._task = SimpleNamespace(name=name)
        request._request_dict = {"retries": 0}
        for field, value in fields.items():
            setattr(request, field, value)
        self._kept.append(request)
        return request

    def reserve(self, *ids: Any, **fields: Any) -> None:
        worker_state.reserved_requests.update([self.request(one, **fields) for one in ids])

    def schedule(self, *ids: str, seconds: float = 60.0) -> None:
        eta = datetime.datetime.fromtimestamp(self.wall.now + seconds, datetime.timezone.utc)
        for task_id in ids:
            self.consumer.timer.wait_for_eta(self.request(task_id, _eta=eta))

    def limit(self, *ids: str) -> None:
        for task_id in ids:
            self.bucket.add((self.request(task_id), 1))

    def release(self) -> None:
        """Let everything that is reserved start and end."""
        worker_state.reserved_requests.clear()

    def read(self, seconds: float = 1.0) -> Reading:
        self.clock.advance(seconds)
        self.wall.advance(seconds)
        return self.probe.read()

    def listed(self) -> list[tuple[str, str]]:
        return [(one.state, one.id) for one in self.read().waiting]


@pytest.fixture(autouse=True)
def _no_requests() -> Iterator[None]:
    yield
    worker_state.reserved_requests.clear()


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_a_task_is_listed_from_the_second_report_on_that_finds_it_waiting(worker: Worker) -> None:
    worker.reserve("one")
    assert worker.listed() == []
    worker.reserve("two")
    assert worker.listed() == [("reserved", "one")]
    assert worker.listed() == [("reserved", "one"), ("reserved", "two")]
    worker.release()
    assert worker.listed() == []


def test_the_short_reservations_of_a_busy_worker_are_never_listed(worker: Worker) -> None:
    for second in range(20):
        worker.release()
        worker.reserve(*(f"{second}-{number}" for number in range(16)))
        reading = worker.read()
        assert (reading.waiting, reading.reserved) == ((), 16)


def test_a_waiting_task_is_described_by_names_and_ages(worker: Worker) -> None:
    worker.reserve("one", _request_dict={"retries": 2})
    worker.schedule("two")
    worker.limit("three")
    worker.read()
    reading = worker.read(2.5)
    name, queue = reading.names.index("shop.pay"), reading.names.index("default")
    assert sorted(reading.waiting, key=lambda one: one.state) == [
        WaitingTask("three", name, queue, "limited", 2.5),
        WaitingTask("one", name, queue, "reserved", 2.5, 2),
        WaitingTask("two", name, queue, "scheduled", 2.5, 0, 56.5),
    ]


def test_the_age_counts_from_the_receipt_if_that_was_noted(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_details, "received_at", lambda _: 900.0)
    worker.reserve("one")
    worker.read()
    assert worker.read().waiting[0].age == worker.clock.now - 900.0


def test_an_eta_that_has_passed_is_due_now(worker: Worker) -> None:
    worker.schedule("one", seconds=2.0)
    worker.read()
    assert worker.read(10.0).waiting[0].due_in == 0.0


def test_the_longest_waiting_are_listed_and_the_states_in_turn() -> None:
    worker = Worker(active_limit=4)
    worker.schedule(*(f"s{number}" for number in range(30)))
    for number in range(5):
        worker.reserve(f"r{number}")
        worker.read()
    reading = worker.read()
    assert [one.id for one in reading.waiting if one.state == "reserved"] == ["r0", "r1"]
    assert len(reading.waiting) == 4 and (reading.reserved, reading.scheduled) == (5, 30)


def test_places_that_one_state_does_not_need_are_those_of_another() -> None:
    worker = Worker(active_limit=10)
    worker.schedule(*(f"s{number}" for number in range(30)))
    worker.reserve("r")
    worker.read()
    assert sorted(one.state for one in worker.read().waiting) == ["reserved", *["scheduled"] * 9]


@pytest.mark.parametrize(("limit", "most"), [(10_000, MAX_WAITING_TASKS), (3, 3), (0, 0)])
def test_the_list_has_as_many_tasks_as_a_queue_may_list_running_ones(limit: int, most: int) -> None:
    worker = Worker(active_limit=limit)
    worker.reserve(*(f"{number}" for number in range(300)))
    worker.read()
    reading = worker.read()
    assert (len(reading.waiting), reading.reserved) == (most, 300)


@pytest.mark.parametrize("name", ["shop.pay", "n" * 255])
def test_the_list_takes_about_four_kilobytes_of_a_report_at_most(worker: Worker, name: str) -> None:
    for number in range(300):
        worker.reserve(f"{number:036}", name=f"{name}{number}"[-255:])
    worker.read()
    reading = worker.read()
    counted = {worker.probe.read().names.index(reading.names[one.task]) for one in reading.reserved_tasks}
    names = [reading.names[one.task] for one in reading.waiting if one.task not in counted]
    assert 10 <= len(reading.waiting) < 70
    assert len(msgspec.json.encode(reading.waiting)) + len(msgspec.json.encode(names)) < 4_600


def test_a_request_that_cannot_be_read_is_left_out_and_the_others_stay(worker: Worker) -> None:
    unreadable = type("Unreadable", (FakeRequest,), {"id": property(lambda _: 1 / 0, lambda *_: None)})
    odd = unreadable("odd", **QUEUE)
    worker_state.reserved_requests.add(odd)
    worker.reserve("one", name="x")
    worker.read()
    reading = worker.read()
    assert [one.id for one in reading.waiting] == ["one"] and reading.failures == ()
    assert reading.reserved == 2


def test_ids_and_names_of_any_client_are_sanitized(worker: Worker) -> None:
    worker.reserve("a\nb", name="c\x1bd")
    worker.read()
    reading = worker.read()
    assert reading.waiting[0].id == "a\\nb" and reading.names[reading.waiting[0].task] == "c\\x1bd"


def test_a_task_keeps_its_age_when_the_worker_begins_to_consume_another_queue(worker: Worker) -> None:
    worker.reserve("one")
    worker.read()
    worker.consumer.task_consumer.add(Queue("more"))
    (listed,) = worker.read().waiting
    assert listed.age == 1.0
    assert worker.read().waiting[0].age == 2.0
