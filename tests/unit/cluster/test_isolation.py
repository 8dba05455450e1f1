"""A listener detects that it is isolated by its own echo, and knows by how much it may be behind."""

import pytest

from celery_gossip.cluster.isolation import IsolationDetector

NOW = 1000.0
TURN = 0.2  #: seconds, of the listener's loop


@pytest.fixture
def detector() -> IsolationDetector:
    detector = IsolationDetector(NOW)
    detector.connection_opened(NOW)
    return detector


def echo(detector: IsolationDetector, sent_at: float, heard_at: float) -> None:
    detector.ping_received(detector.ping_sent(sent_at), heard_at)


def test_an_echo_is_due_at_once_and_then_once_a_second(detector: IsolationDetector) -> None:
    assert detector.is_ping_due(NOW)
    detector.ping_sent(NOW)
    assert not detector.is_ping_due(NOW + 0.9)
    assert detector.is_ping_due(NOW + 1.0)


def test_echoes_are_numbered_from_one_as_the_wire_demands(detector: IsolationDetector) -> None:
    assert [detector.ping_sent(NOW), detector.ping_sent(NOW + 1)] == [1, 2]


def test_before_anything_is_refused_it_counts_on_its_echo() -> None:
    assert IsolationDetector(NOW).can_publish


def test_without_a_connection_there_is_no_echo() -> None:
    assert not IsolationDetector(NOW).is_ping_due(NOW + 5)


def test_it_is_not_isolated_while_the_newest_echo_was_sent_a_moment_ago(detector: IsolationDetector) -> None:
    echo(detector, NOW, NOW + 0.01)
    assert not detector.is_isolated(NOW + 2.4)
    assert detector.is_isolated(NOW + 2.5)


def test_who_never_heard_itself_is_isolated_too(detector: IsolationDetector) -> None:
    assert not detector.is_isolated(NOW + 2.4)
    assert detector.is_isolated(NOW + 2.6)


def test_a_connection_that_is_gone_isolates_at_once_until_an_echo_is_heard(detector: IsolationDetector) -> None:
    echo(detector, NOW, NOW)
    detector.connection_lost()
    assert detector.is_isolated(NOW + 0.1) and detector.connected_at is None
    detector.connection_opened(NOW + 0.5)
    assert detector.is_isolated(NOW + 0.5)
    echo(detector, NOW + 0.5, NOW + 0.6)
    assert not detector.is_isolated(NOW + 0.6)


def test_an_echo_out_of_a_backlog_does_not_heal(detector: IsolationDetector) -> None:
    number = detector.ping_sent(NOW)
    detector.ping_received(number, NOW + 60)
    assert detector.is_isolated(NOW + 60)


@pytest.mark.parametrize("number", [0, 2, 99])
def test_an_echo_that_was_never_sent_means_nothing(detector: IsolationDetector, number: int) -> None:
    detector.ping_sent(NOW)
    detector.ping_received(number, NOW + 2.6)
    assert detector.is_isolated(NOW + 2.6)


def test_an_echo_counts_once(detector: IsolationDetector) -> None:
    number = detector.ping_sent(NOW)
    detector.ping_received(number, NOW)
    detector.ping_received(number, NOW + 2.9)
    assert detector.is_half_open(NOW + 3.1, slowest=1.0)


def test_no_echo_for_three_seconds_means_that_the_connection_may_be_half_open(detector: IsolationDetector) -> None:
    detector.message_received(NOW + 3)
    assert not detector.is_half_open(NOW + 3.0, slowest=60.0)
    assert detector.is_half_open(NOW + 3.1, slowest=60.0)


def test_a_broker_that_holds_publishers_back_is_not_left(detector: IsolationDetector) -> None:
    for second in range(1, 10):
        detector.ping_sent(NOW + second)
        detector.ping_blocked(NOW + second)
        assert not detector.is_half_open(NOW + second + 0.9, slowest=1.0)
    assert detector.is_isolated(NOW + 9)


def test_an_echo_that_could_not_be_sent_is_tried_a_period_later(detector: IsolationDetector) -> None:
    detector.ping_sent(NOW)
    detector.ping_failed(NOW + 1)
    assert not detector.is_ping_due(NOW + 1.9) and detector.is_ping_due(NOW + 2)
    assert detector.lag(NOW + 1.5) == 0.0, "nothing is awaited"


def test_who_may_not_publish_goes_without_an_echo(detector: IsolationDetector) -> None:
    detector.publishing_denied(NOW)
    for turn in range(1, 301):
        detector.loop_iteration(NOW + turn * TURN, TURN)
    later = NOW + 60
    assert not detector.is_ping_due(later) and not detector.is_isolated(later)
    assert detector.is_half_open(later, slowest=1.0) and not detector.is_half_open(later, slowest=20.0)
    detector.message_received(later)
    assert not detector.is_half_open(later + 9, slowest=1.0)


def test_without_an_echo_a_connection_that_is_gone_still_isolates(detector: IsolationDetector) -> None:
    detector.publishing_denied(NOW)
    detector.connection_lost()
    assert detector.is_isolated(NOW + 0.1)
    detector.connection_opened(NOW + 1)
    detector.publishing_denied(NOW + 1)
    assert not detector.is_isolated(NOW + 1)


def test_a_new_connection_asks_for_its_echo_again(detector: IsolationDetector) -> None:
    detector.publishing_denied(NOW)
    detector.connection_lost()
    detector.connection_opened(NOW + 1)
    assert detector.is_ping_due(NOW + 1)
    echo(detector, NOW + 1, NOW + 1.1)
    assert detector.can_publish and not detector.is_isolated(NOW + 1.1)


def test_without_an_echo_its_own_long_sleep_isolates_for_a_turn(detector: IsolationDetector) -> None:
    detector.publishing_denied(NOW)
    detector.loop_iteration(NOW + 60, TURN)
    assert detector.is_isolated(NOW + 60)
    detector.loop_iteration(NOW + 60.2, TURN)
    assert not detector.is_isolated(NOW + 60.2)


@pytest.mark.parametrize(("slowest", "silence"), [(1.0, 10.0), (4.0, 14.0)])
def test_without_an_echo_silence_means_something_after_ten_seconds_or_three_and_a_half_of_the_slowest_workers_intervals(
    detector: IsolationDetector, slowest: float, silence: float
) -> None:
    detector.publishing_denied(NOW)
    assert not detector.is_half_open(NOW + silence, slowest)
    assert detector.is_half_open(NOW + silence + 0.125, slowest)


def test_a_connection_is_of_use_once_it_has_brought_anything(detector: IsolationDetector) -> None:
    assert not IsolationDetector(NOW).has_received_messages and not detector.has_received_messages
    detector.message_received(NOW + 1)
    assert detector.has_received_messages
    detector.connection_opened(NOW + 2)
    assert not detector.has_received_messages, "that was the one before"
    detector.message_received(NOW + 3)
    detector.connection_lost()
    assert not detector.has_received_messages


def test_of_sixteen_echoes_that_are_awaited_the_first_still_counts_and_of_seventeen_no_more() -> None:
    for sent, is_known in ((16, True), (17, False)):
        detector = IsolationDetector(NOW)
        detector.connection_opened(NOW)
        numbers = [detector.ping_sent(NOW + n / 8) for n in range(sent)]
        detector.ping_received(numbers[0], NOW + 3)
        assert detector.is_half_open(NOW + 3.5, slowest=1.0) is not is_known


def test_the_lag_is_the_worst_of_the_last_ten_seconds(detector: IsolationDetector) -> None:
    echo(detector, NOW, NOW + 0.5)
    echo(detector, NOW + 1, NOW + 1.1)
    assert detector.lag(NOW + 2) == pytest.approx(0.5)
    assert detector.lag(NOW + 10.6) == pytest.approx(0.1)
    assert detector.lag(NOW + 12) == 0.0


def test_an_awaited_echo_is_lag_already(detector: IsolationDetector) -> None:
    detector.ping_sent(NOW)
    assert detector.lag(NOW + 1.5) == 1.5


def test_a_slow_turn_of_its_own_loop_is_lag(detector: IsolationDetector) -> None:
    detector.loop_iteration(NOW + TURN, TURN)
    detector.loop_iteration(NOW + TURN + 1.2, TURN)
    assert detector.lag(NOW + TURN + 1.2) == pytest.approx(1.0)


def test_lag_is_bounded_for_beyond_it_the_view_is_frozen(detector: IsolationDetector) -> None:
    detector.loop_iteration(NOW + 500, TURN)
    assert detector.lag(NOW + 500) == 2.5


def test_what_is_awaited_and_remembered_is_bounded(detector: IsolationDetector) -> None:
    for second in range(1000):
        detector.ping_sent(NOW + second)
        detector.loop_iteration(NOW + second, TURN)
        detector.lag(NOW + second)
    assert len(detector._outstanding) <= 16 and len(detector._lags) <= 20


def test_a_turn_that_took_more_than_three_seconds_has_overslept(detector: IsolationDetector) -> None:
    detector.loop_iteration(NOW + 60, TURN)
    assert not detector.is_stale(NOW + 63)
    assert detector.is_stale(NOW + 63.1)


def test_while_more_is_said_than_can_be_heard_the_listener_counts_as_behind(detector: IsolationDetector) -> None:
    detector.messages_dropped(NOW)
    assert detector.lag(NOW + 9) == 2.5
    assert detector.lag(NOW + 11) == 0.0
