"""An EchoSender publishes a ping once a second and recognizes it; errors are known, and retried in time."""

from typing import Any

import pytest

from celery_gossip.cluster.isolation import ECHO_INTERVAL, IsolationDetector
from celery_gossip.listener.echo import EchoSender
from celery_gossip.wire.messages import Echo, decode
from tests.unit.build import FakeClock


class FakePublisher:
    """Records what is published; may block, fail, or refuse like a broker under an alarm."""

    def __init__(self, clock: FakeClock) -> None:
        self.published: list[Any] = []
        self.calls: list[str] = []
        self.publish_time = 0.0
        self.error: Exception | None = None
        self.is_blocked = False
        self._clock = clock

    def publish(self, body: bytes) -> bool:
        self.published.append(decode(body))
        self._clock.advance(self.publish_time)
        if self.error is not None:
            raise self.error
        return not self.is_blocked

    def discard(self) -> None:
        self.calls.append("discard")

    def fail_over(self) -> None:
        self.calls.append("fail_over")

    def close(self) -> None:
        self.calls.append("close")


class Refusal(Exception):
    def __init__(self, reply_code: int) -> None:
        self.reply_code = reply_code


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def isolation(clock: FakeClock) -> IsolationDetector:
    isolation = IsolationDetector(clock())
    isolation.connection_opened(clock())
    return isolation


@pytest.fixture
def publisher(clock: FakeClock) -> FakePublisher:
    return FakePublisher(clock)


@pytest.fixture
def sender(publisher: Any, isolation: IsolationDetector, clock: FakeClock) -> EchoSender:
    return EchoSender(publisher, isolation, clock)


def test_a_ping_is_published_once_a_period(sender: EchoSender, publisher: FakePublisher, clock: FakeClock) -> None:
    for _ in range(30):
        sender.send_if_due()
        clock.advance(ECHO_INTERVAL / 10)
    assert [echo.number for echo in publisher.published] == [1, 2, 3]
    assert len({echo.echo for echo in publisher.published}) == 1


def test_its_own_ping_proves_that_it_receives(
    sender: EchoSender, publisher: FakePublisher, isolation: IsolationDetector, clock: FakeClock
) -> None:
    for _ in range(10):
        sender.send_if_due()
        sender.handle_echo(publisher.published[-1], clock())
        clock.advance(ECHO_INTERVAL)
        assert not isolation.is_isolated(clock())


def test_the_ping_of_another_listener_proves_nothing(
    sender: EchoSender, publisher: FakePublisher, isolation: IsolationDetector, clock: FakeClock
) -> None:
    for _ in range(10):
        sender.send_if_due()
        sender.handle_echo(Echo(echo="f" * 16, number=publisher.published[-1].number), clock())
        clock.advance(ECHO_INTERVAL)
    assert isolation.is_isolated(clock())


def test_after_a_ping_that_blocked_and_failed_a_whole_period_is_left_for_receiving(
    sender: EchoSender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.publish_time, publisher.error = 1.0, TimeoutError("no answer")
    sender.send_if_due()
    clock.advance(ECHO_INTERVAL * 0.9)
    sender.send_if_due()
    assert len(publisher.published) == 1
    clock.advance(ECHO_INTERVAL * 0.2)
    sender.send_if_due()
    assert len(publisher.published) == 2


def test_the_error_is_known_until_a_ping_can_be_published_again(
    sender: EchoSender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = TimeoutError("no answer")
    sender.send_if_due()
    assert sender.error is publisher.error
    assert publisher.calls == ["discard"], "it stays with its broker"
    publisher.error = None
    clock.advance(ECHO_INTERVAL)
    sender.send_if_due()
    assert sender.error is None


def test_a_listener_without_permission_logs_that_once_and_continues_without_pings(
    sender: EchoSender, publisher: FakePublisher, isolation: IsolationDetector, clock: FakeClock, caplog: Any
) -> None:
    publisher.error = Refusal(403)
    for _ in range(5):
        sender.send_if_due()
        clock.advance(ECHO_INTERVAL)
    assert len(publisher.published) == 1
    assert not isolation.can_publish
    assert [record.getMessage().count("may not publish") for record in caplog.records] == [1]


def test_a_listener_without_permission_tries_again_on_each_connection_and_logs_it_once_until_it_succeeds(
    sender: EchoSender, publisher: FakePublisher, isolation: IsolationDetector, clock: FakeClock, caplog: Any
) -> None:
    for refusal in (Refusal(403), Refusal(403), None, Refusal(403)):
        publisher.error = refusal
        isolation.connection_opened(clock())
        sender.send_if_due()
        assert isolation.can_publish is (refusal is None)
        if refusal is None:
            sender.handle_echo(publisher.published[-1], clock())
    assert [record.getMessage().count("may not publish") for record in caplog.records] == [1, 1]


@pytest.mark.parametrize("reply_code", [404, 406, 530])
def test_another_error_does_not_end_the_pings(
    sender: EchoSender, publisher: FakePublisher, isolation: IsolationDetector, clock: FakeClock, reply_code: int
) -> None:
    publisher.error = Refusal(reply_code)
    sender.send_if_due()
    assert isolation.can_publish
    clock.advance(ECHO_INTERVAL)
    sender.send_if_due()
    assert len(publisher.published) == 2


def test_while_the_broker_blocks_publishers_it_is_isolated_but_the_connection_is_kept(
    sender: EchoSender, publisher: FakePublisher, isolation: IsolationDetector, clock: FakeClock
) -> None:
    publisher.is_blocked = True
    for _ in range(10):
        sender.send_if_due()
        assert not isolation.is_half_open(clock(), slowest=1.0)
        clock.advance(ECHO_INTERVAL)
    assert isolation.is_isolated(clock())
