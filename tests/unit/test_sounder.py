"""An EchoSounder says its echo once a second and knows it again; what fails is told, and tried again in time."""

from typing import Any

import pytest

from celery_gossip.hearing import ECHO_EVERY, Hearing
from celery_gossip.messages import Echo, decode
from celery_gossip.sounder import EchoSounder
from tests.unit.build import FakeClock


class FakePublisher:
    """Keeps what it is given; may take its time, fail, or hold back."""

    def __init__(self, clock: FakeClock) -> None:
        self.said: list[Any] = []
        self.calls: list[str] = []
        self.takes = 0.0
        self.error: Exception | None = None
        self.is_blocked = False
        self._clock = clock

    def publish(self, body: bytes) -> bool:
        self.said.append(decode(body))
        self._clock.advance(self.takes)
        if self.error is not None:
            raise self.error
        return not self.is_blocked

    def reset(self) -> None:
        self.calls.append("reset")

    def drop(self) -> None:
        self.calls.append("drop")

    def close(self) -> None:
        self.calls.append("close")


class Refusal(Exception):
    def __init__(self, reply_code: int) -> None:
        self.reply_code = reply_code


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def hearing(clock: FakeClock) -> Hearing:
    hearing = Hearing(clock())
    hearing.connect(clock())
    return hearing


@pytest.fixture
def publisher(clock: FakeClock) -> FakePublisher:
    return FakePublisher(clock)


@pytest.fixture
def sounder(publisher: Any, hearing: Hearing, clock: FakeClock) -> EchoSounder:
    return EchoSounder(publisher, hearing, clock)


def test_an_echo_is_said_once_a_period(sounder: EchoSounder, publisher: FakePublisher, clock: FakeClock) -> None:
    for _ in range(30):
        sounder.say_if_due()
        clock.advance(ECHO_EVERY / 10)
    assert [echo.number for echo in publisher.said] == [1, 2, 3]
    assert len({echo.echo for echo in publisher.said}) == 1


def test_its_own_echo_proves_that_it_hears(
    sounder: EchoSounder, publisher: FakePublisher, hearing: Hearing, clock: FakeClock
) -> None:
    for _ in range(10):
        sounder.say_if_due()
        sounder.take(publisher.said[-1], clock())
        clock.advance(ECHO_EVERY)
        assert not hearing.is_isolated(clock())


def test_the_echo_of_another_proves_nothing(
    sounder: EchoSounder, publisher: FakePublisher, hearing: Hearing, clock: FakeClock
) -> None:
    for _ in range(10):
        sounder.say_if_due()
        sounder.take(Echo(echo="f" * 16, number=publisher.said[-1].number), clock())
        clock.advance(ECHO_EVERY)
    assert hearing.is_isolated(clock())


def test_after_an_echo_that_blocked_and_failed_there_is_a_whole_period_to_listen(
    sounder: EchoSounder, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.takes, publisher.error = 1.0, TimeoutError("no answer")
    sounder.say_if_due()
    clock.advance(ECHO_EVERY * 0.9)
    sounder.say_if_due()
    assert len(publisher.said) == 1
    clock.advance(ECHO_EVERY * 0.2)
    sounder.say_if_due()
    assert len(publisher.said) == 2


def test_what_failed_is_told_until_an_echo_can_be_said_again(
    sounder: EchoSounder, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = TimeoutError("no answer")
    sounder.say_if_due()
    assert sounder.error is publisher.error
    assert publisher.calls == ["reset"], "it stays with its broker"
    publisher.error = None
    clock.advance(ECHO_EVERY)
    sounder.say_if_due()
    assert sounder.error is None


def test_one_who_may_not_publish_says_so_once_and_goes_without(
    sounder: EchoSounder, publisher: FakePublisher, hearing: Hearing, clock: FakeClock, caplog: Any
) -> None:
    publisher.error = Refusal(403)
    for _ in range(5):
        sounder.say_if_due()
        clock.advance(ECHO_EVERY)
    assert len(publisher.said) == 1
    assert not hearing.has_echo
    assert [record.getMessage().count("may not publish") for record in caplog.records] == [1]


def test_one_who_may_not_publish_asks_again_on_each_connection_and_says_so_once_until_it_may(
    sounder: EchoSounder, publisher: FakePublisher, hearing: Hearing, clock: FakeClock, caplog: Any
) -> None:
    for refusal in (Refusal(403), Refusal(403), None, Refusal(403)):
        publisher.error = refusal
        hearing.connect(clock())
        sounder.say_if_due()
        assert hearing.has_echo is (refusal is None)
        if refusal is None:
            sounder.take(publisher.said[-1], clock())
    assert [record.getMessage().count("may not publish") for record in caplog.records] == [1, 1]


@pytest.mark.parametrize("reply_code", [404, 406, 530])
def test_another_refusal_is_no_reason_to_go_without_for_ever(
    sounder: EchoSounder, publisher: FakePublisher, hearing: Hearing, clock: FakeClock, reply_code: int
) -> None:
    publisher.error = Refusal(reply_code)
    sounder.say_if_due()
    assert hearing.has_echo
    clock.advance(ECHO_EVERY)
    sounder.say_if_due()
    assert len(publisher.said) == 2


def test_while_the_broker_blocks_it_is_isolated_but_not_deaf(
    sounder: EchoSounder, publisher: FakePublisher, hearing: Hearing, clock: FakeClock
) -> None:
    publisher.is_blocked = True
    for _ in range(10):
        sounder.say_if_due()
        assert not hearing.is_deaf(clock(), slowest=1.0)
        clock.advance(ECHO_EVERY)
    assert hearing.is_isolated(clock())
