"""A listener trusts its ear while its own echo comes back, and knows by how much it may be behind."""

import pytest

from celery_gossip.hearing import Hearing

NOW = 1000.0
TURN = 0.2  #: seconds, of the listener's loop


@pytest.fixture
def hearing() -> Hearing:
    hearing = Hearing(NOW)
    hearing.connect(NOW)
    return hearing


def echo(hearing: Hearing, sent_at: float, heard_at: float) -> None:
    hearing.hear_echo(hearing.say(sent_at), heard_at)


def test_an_echo_is_due_at_once_and_then_once_a_second(hearing: Hearing) -> None:
    assert hearing.is_due(NOW)
    hearing.say(NOW)
    assert not hearing.is_due(NOW + 0.9)
    assert hearing.is_due(NOW + 1.0)


def test_echoes_are_numbered_from_one_as_the_wire_demands(hearing: Hearing) -> None:
    assert [hearing.say(NOW), hearing.say(NOW + 1)] == [1, 2]


def test_before_anything_is_refused_it_counts_on_its_echo() -> None:
    assert Hearing(NOW).has_echo


def test_without_a_connection_there_is_no_echo() -> None:
    assert not Hearing(NOW).is_due(NOW + 5)


def test_it_is_not_isolated_while_the_newest_echo_was_sent_a_moment_ago(hearing: Hearing) -> None:
    echo(hearing, NOW, NOW + 0.01)
    assert not hearing.is_isolated(NOW + 2.4)
    assert hearing.is_isolated(NOW + 2.5)


def test_who_never_heard_itself_is_isolated_too(hearing: Hearing) -> None:
    assert not hearing.is_isolated(NOW + 2.4)
    assert hearing.is_isolated(NOW + 2.6)


def test_a_connection_that_is_gone_isolates_at_once_until_an_echo_is_heard(hearing: Hearing) -> None:
    echo(hearing, NOW, NOW)
    hearing.cut_off()
    assert hearing.is_isolated(NOW + 0.1) and hearing.connected_at is None
    hearing.connect(NOW + 0.5)
    assert hearing.is_isolated(NOW + 0.5)
    echo(hearing, NOW + 0.5, NOW + 0.6)
    assert not hearing.is_isolated(NOW + 0.6)


def test_an_echo_out_of_a_backlog_does_not_heal(hearing: Hearing) -> None:
    number = hearing.say(NOW)
    hearing.hear_echo(number, NOW + 60)
    assert hearing.is_isolated(NOW + 60)


@pytest.mark.parametrize("number", [0, 2, 99])
def test_an_echo_that_was_never_sent_means_nothing(hearing: Hearing, number: int) -> None:
    hearing.say(NOW)
    hearing.hear_echo(number, NOW + 2.6)
    assert hearing.is_isolated(NOW + 2.6)


def test_an_echo_counts_once(hearing: Hearing) -> None:
    number = hearing.say(NOW)
    hearing.hear_echo(number, NOW)
    hearing.hear_echo(number, NOW + 2.9)
    assert hearing.is_deaf(NOW + 3.1, slowest=1.0)


def test_no_echo_for_three_seconds_means_that_the_connection_may_be_half_open(hearing: Hearing) -> None:
    hearing.hear_message(NOW + 3)
    assert not hearing.is_deaf(NOW + 3.0, slowest=60.0)
    assert hearing.is_deaf(NOW + 3.1, slowest=60.0)


def test_a_broker_that_holds_publishers_back_is_not_left(hearing: Hearing) -> None:
    for second in range(1, 10):
        hearing.say(NOW + second)
        hearing.hold(NOW + second)
        assert not hearing.is_deaf(NOW + second + 0.9, slowest=1.0)
    assert hearing.is_isolated(NOW + 9)


def test_an_echo_that_could_not_be_sent_is_tried_a_period_later(hearing: Hearing) -> None:
    hearing.say(NOW)
    hearing.postpone(NOW + 1)
    assert not hearing.is_due(NOW + 1.9) and hearing.is_due(NOW + 2)
    assert hearing.lag(NOW + 1.5) == 0.0, "nothing is awaited"


def test_who_may_not_publish_goes_without_an_echo(hearing: Hearing) -> None:
    hearing.refuse(NOW)
    for turn in range(1, 301):
        hearing.look(NOW + turn * TURN, TURN)
    later = NOW + 60
    assert not hearing.is_due(later) and not hearing.is_isolated(later)
    assert hearing.is_deaf(later, slowest=1.0) and not hearing.is_deaf(later, slowest=20.0)
    hearing.hear_message(later)
    assert not hearing.is_deaf(later + 9, slowest=1.0)


def test_without_an_echo_a_connection_that_is_gone_still_isolates(hearing: Hearing) -> None:
    hearing.refuse(NOW)
    hearing.cut_off()
    assert hearing.is_isolated(NOW + 0.1)
    hearing.connect(NOW + 1)
    hearing.refuse(NOW + 1)
    assert not hearing.is_isolated(NOW + 1)


def test_a_new_connection_asks_for_its_echo_again(hearing: Hearing) -> None:
    hearing.refuse(NOW)
    hearing.cut_off()
    hearing.connect(NOW + 1)
    assert hearing.is_due(NOW + 1)
    echo(hearing, NOW + 1, NOW + 1.1)
    assert hearing.has_echo and not hearing.is_isolated(NOW + 1.1)


def test_without_an_echo_its_own_long_sleep_isolates_for_a_turn(hearing: Hearing) -> None:
    hearing.refuse(NOW)
    hearing.look(NOW + 60, TURN)
    assert hearing.is_isolated(NOW + 60)
    hearing.look(NOW + 60.2, TURN)
    assert not hearing.is_isolated(NOW + 60.2)


@pytest.mark.parametrize(("slowest", "silence"), [(1.0, 10.0), (4.0, 14.0)])
def test_without_an_echo_silence_means_something_after_ten_seconds_or_three_and_a_half_of_the_slowest_workers_intervals(
    hearing: Hearing, slowest: float, silence: float
) -> None:
    hearing.refuse(NOW)
    assert not hearing.is_deaf(NOW + silence, slowest)
    assert hearing.is_deaf(NOW + silence + 0.125, slowest)


def test_a_connection_is_of_use_once_it_has_brought_anything(hearing: Hearing) -> None:
    assert not Hearing(NOW).is_of_use and not hearing.is_of_use
    hearing.hear_message(NOW + 1)
    assert hearing.is_of_use
    hearing.connect(NOW + 2)
    assert not hearing.is_of_use, "that was the one before"
    hearing.hear_message(NOW + 3)
    hearing.cut_off()
    assert not hearing.is_of_use


def test_of_sixteen_echoes_that_are_awaited_the_first_still_counts_and_of_seventeen_no_more() -> None:
    for sent, is_known in ((16, True), (17, False)):
        hearing = Hearing(NOW)
        hearing.connect(NOW)
        numbers = [hearing.say(NOW + n / 8) for n in range(sent)]
        hearing.hear_echo(numbers[0], NOW + 3)
        assert hearing.is_deaf(NOW + 3.5, slowest=1.0) is not is_known


def test_the_lag_is_the_worst_of_the_last_ten_seconds(hearing: Hearing) -> None:
    echo(hearing, NOW, NOW + 0.5)
    echo(hearing, NOW + 1, NOW + 1.1)
    assert hearing.lag(NOW + 2) == pytest.approx(0.5)
    assert hearing.lag(NOW + 10.6) == pytest.approx(0.1)
    assert hearing.lag(NOW + 12) == 0.0


def test_an_awaited_echo_is_lag_already(hearing: Hearing) -> None:
    hearing.say(NOW)
    assert hearing.lag(NOW + 1.5) == 1.5


def test_a_slow_turn_of_its_own_loop_is_lag(hearing: Hearing) -> None:
    hearing.look(NOW + TURN, TURN)
    hearing.look(NOW + TURN + 1.2, TURN)
    assert hearing.lag(NOW + TURN + 1.2) == pytest.approx(1.0)


def test_lag_is_bounded_for_beyond_it_the_view_is_frozen(hearing: Hearing) -> None:
    hearing.look(NOW + 500, TURN)
    assert hearing.lag(NOW + 500) == 2.5


def test_what_is_awaited_and_remembered_is_bounded(hearing: Hearing) -> None:
    for second in range(1000):
        hearing.say(NOW + second)
        hearing.look(NOW + second, TURN)
        hearing.lag(NOW + second)
    assert len(hearing._outstanding) <= 16 and len(hearing._lags) <= 20


def test_a_turn_that_took_more_than_three_seconds_has_overslept(hearing: Hearing) -> None:
    hearing.look(NOW + 60, TURN)
    assert not hearing.has_overslept(NOW + 63)
    assert hearing.has_overslept(NOW + 63.1)


def test_while_more_is_said_than_can_be_heard_the_listener_counts_as_behind(hearing: Hearing) -> None:
    hearing.doubt(NOW)
    assert hearing.lag(NOW + 9) == 2.5
    assert hearing.lag(NOW + 11) == 0.0
