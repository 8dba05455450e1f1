"""The thread that reports what a process sends: it loses nothing, hurts nobody, and survives forks."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Exchange, Queue

from celery_gossip.wire.messages import Echo, SentReport, decode
from celery_gossip.worker import sent_reporter
from celery_gossip.worker.sent_reporter import SentReporter
from tests.support.waiting import eventually

FAST = 0.02  #: seconds between two reports


class FakePublisher:
    """Keeps what is published; raises or refuses on request."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.error: Exception | None = None
        self.is_blocked = False
        self.hangs = threading.Event()
        self.hangs.set()
        self.closed = self.failed_over = self.closed_in_child = 0

    def publish(self, body: bytes) -> bool:
        self.hangs.wait(10)
        if self.error is not None:
            raise self.error
        if not self.is_blocked:
            self.bodies.append(body)
        return not self.is_blocked

    def close(self) -> None:
        self.closed += 1

    def fail_over(self) -> None:
        self.failed_over += 1

    def close_in_child(self) -> None:
        self.closed_in_child += 1

    def is_amqp_refusal(self, exc: Exception) -> bool:
        return False

    @property
    def echoes(self) -> list[Echo]:
        return [echo for echo in map(decode, self.bodies) if isinstance(echo, Echo)]

    @property
    def reports(self) -> list[SentReport]:
        return [echo.sent for echo in self.echoes if echo.sent is not None]

    @property
    def totals(self) -> dict[tuple[str, str], int]:
        return {
            (report.names[one.queue], report.names[one.task]): one.count
            for report in self.reports
            for one in report.counts
        }


Build = Callable[..., tuple[SentReporter, FakePublisher]]


@pytest.fixture
def build() -> Iterator[Build]:
    built: list[SentReporter] = []

    def build_one(interval: float = FAST, **options: Any) -> tuple[SentReporter, FakePublisher]:
        publisher = FakePublisher()
        queues = options.pop("queues", lambda: [Queue("mail", Exchange("shop"), routing_key="mail")])
        built.append(SentReporter("shop", publisher, queues, interval=interval, **options))
        return built[-1], publisher

    yield build_one
    for reporter in built:
        reporter.stop()


def send(reporter: SentReporter, count: int = 1, queue: str = "mail", task: str = "shop.pack") -> None:
    for _ in range(count):
        reporter.note(signal=None, sender=task, body=((), {}, {}), headers={}, exchange="", routing_key=queue)


def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    def check() -> None:
        assert condition()

    eventually(check, timeout, every=0.01)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "celery-gossip-sent"]


def test_there_is_no_thread_before_the_first_task(build: Build) -> None:
    reporter, publisher = build()
    assert not threads()
    send(reporter)
    assert threads()
    until(lambda: publisher.totals == {("mail", "shop.pack"): 1})


def test_everything_that_threads_send_at_the_same_time_is_counted(build: Build) -> None:
    reporter, publisher = build()
    senders = [threading.Thread(target=send, args=(reporter, 2000)) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    until(lambda: publisher.totals == {("mail", "shop.pack"): 16_000})


def test_a_report_that_fails_is_sent_again_with_what_came_since(build: Build) -> None:
    reporter, publisher = build()
    publisher.error = ConnectionError("down")
    send(reporter, 3)
    until(lambda: publisher.failed_over)
    send(reporter, 2)
    publisher.error = None
    until(lambda: publisher.totals == {("mail", "shop.pack"): 5}, timeout=10)
    assert publisher.reports[0].counts[0].recent == 5


def test_a_report_that_the_broker_does_not_accept_is_sent_again(build: Build) -> None:
    reporter, publisher = build()
    publisher.is_blocked = True
    send(reporter, 3)
    time.sleep(5 * FAST)
    publisher.is_blocked = False
    until(lambda: publisher.totals == {("mail", "shop.pack"): 3})
    assert publisher.reports[0].counts[0].recent == 3


def test_the_end_of_the_process_sends_the_rest_and_says_that_it_is_the_last(build: Build) -> None:
    reporter, publisher = build(interval=3600.0)
    send(reporter, 7)
    reporter.stop()
    assert publisher.totals == {("mail", "shop.pack"): 7}
    assert publisher.reports[-1].is_last and publisher.closed == 1
    assert not threads()
    send(reporter)
    assert not threads()


def test_a_broker_that_hangs_does_not_keep_the_process(build: Build) -> None:
    reporter, publisher = build(interval=3600.0)
    publisher.hangs.clear()
    send(reporter)
    began = time.monotonic()
    reporter.stop(timeout=0.05)
    assert time.monotonic() - began < 1.0
    publisher.hangs.set()


def test_a_broker_that_is_known_to_be_down_is_not_waited_for(build: Build) -> None:
    reporter, publisher = build()
    publisher.error = ConnectionError("down")
    send(reporter)
    until(lambda: publisher.failed_over)
    reporter._interval = 3600.0
    reporter.stop(timeout=30.0)


def test_an_idle_process_closes_its_connection_and_reports_again_later(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_reporter, "_IDLE_AFTER", FAST)
    reporter, publisher = build()
    send(reporter)
    until(lambda: publisher.closed == 1)
    send(reporter)
    until(lambda: publisher.totals == {("mail", "shop.pack"): 2})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"sender": None, "exchange": None, "routing_key": None},
        {"sender": [], "exchange": {}, "routing_key": set()},
        {"sender": "t\x00\n", "exchange": Exchange("shop"), "routing_key": "mail"},
        {"sender": "x" * 10_000, "exchange": "", "routing_key": "q" * 10_000},
        {"sender": 5, "exchange": object(), "routing_key": b"mail"},
    ],
)
def test_nothing_that_celery_passes_can_raise(build: Build, fields: dict[str, Any]) -> None:
    reporter, publisher = build()
    reporter.note(**fields)
    send(reporter)
    until(lambda: publisher.totals.get(("mail", "shop.pack")) == 1)
    assert reporter._thread is not None and reporter._thread.is_alive()


def test_names_that_clients_choose_do_not_fill_the_memory(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent_reporter, "_MAX_KEYS", 100)
    reporter, publisher = build(interval=0.3)
    for number in range(5000):
        send(reporter, queue=f"q{number}")
    assert len(reporter._counts) <= 101
    until(lambda: sum(publisher.totals.values()) == 5000)
    assert publisher.totals["", "other"] >= 4000


def test_queues_that_cannot_be_read_do_not_end_the_reports(build: Build) -> None:
    def fail() -> list[Any]:
        raise RuntimeError("dictionary changed size")

    reporter, publisher = build(queues=fail)
    send(reporter)
    until(lambda: publisher.totals == {("mail", "shop.pack"): 1})


def test_with_another_broker_in_the_process_nothing_is_reported_any_more(build: Build) -> None:
    reporter, publisher = build(is_foreign=lambda: True)
    send(reporter)
    until(lambda: reporter.is_off and not threads())
    assert not publisher.bodies


def test_a_task_that_is_sent_while_the_lock_is_held_by_the_same_thread_does_not_hang(build: Build) -> None:
    """As from a signal handler."""
    reporter, publisher = build()
    with reporter._lock:
        send(reporter)
    until(lambda: publisher.totals == {("mail", "shop.pack"): 1})


def test_nothing_of_a_task_but_its_name_and_route_is_reported(build: Build) -> None:
    reporter, publisher = build(interval=3600.0)
    secret = "s3cr3t"
    for _ in range(3):
        reporter.note(
            signal=None,
            sender="shop.pack",
            body=((secret,), {"key": secret}, {"callbacks": [secret]}),
            headers={"id": secret, "argsrepr": secret, "origin": secret, "shadow": secret, secret: 1},
            exchange="",
            routing_key="mail",
        )
    reporter.stop()
    (body,) = publisher.bodies
    assert secret.encode() not in body
    assert set(publisher.reports[0].names) == {"mail", "shop.pack"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_counts_its_own_tasks_under_its_own_id(build: Build) -> None:
    reporter, publisher = build()
    send(reporter, 5)
    until(lambda: publisher.totals == {("mail", "shop.pack"): 5})
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:  # the child reports over the pipe
        publisher.bodies.clear()
        send(reporter, 2)
        reporter.stop(5.0)
        seen = f"{publisher.totals} {publisher.closed_in_child} {publisher.echoes[-1].echo}"
        os.write(writing, seen.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    told = os.read(reading, 1000).decode()
    assert told.startswith("{('mail', 'shop.pack'): 2} 1 ")
    assert not told.endswith(publisher.echoes[-1].echo)
    send(reporter)
    until(lambda: publisher.totals == {("mail", "shop.pack"): 6})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_children_that_are_forked_while_threads_send_can_send(build: Build) -> None:
    reporter, _ = build()
    is_over = threading.Event()

    def keep_sending() -> None:
        while not is_over.is_set():
            send(reporter)

    senders = [threading.Thread(target=keep_sending, daemon=True) for _ in range(4)]
    for sender in senders:
        sender.start()
    try:
        for _ in range(30):
            pid = os.fork()
            if pid == 0:
                send(reporter)  # would hang with the lock of the parent's threads
                os._exit(0 if len(reporter._counts) == 1 else 1)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        is_over.set()
        for sender in senders:
            sender.join()
