"""Senders, queues and workers in virtual time: nothing vanishes, so nothing may be found missing, whatever is lost.

Reports of workers and senders are lost or late, processes are restarted and killed, the listener starts in the middle.
What cannot be simulated without a finding is a consumer that has never reported: for a listener its messages vanish.
"""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.incidents.fleet import Fleet

QUEUES = ("mail", "slow")
LIMIT = 90.0  #: seconds of quiet at the end, in which every window is evaluated


def burst(fleet: Fleet, number: int) -> None:
    fleet.send(QUEUES[number % 2], 7 * number, seconds=0.05 * number)


def send_uncounted(fleet: Fleet, number: int) -> None:
    senders, fleet.senders = fleet.senders, []
    fleet.send(QUEUES[number % 2], 5 * number)
    fleet.senders = senders


def start_worker(fleet: Fleet, number: int) -> None:
    fleet.add(f"w{number}", queues=QUEUES[: 1 + number % 2], prefetch=1 + number, interval=1.0 + number % 3)


def kill_worker(fleet: Fleet, number: int) -> None:
    if fleet.workers:
        fleet.workers[number % len(fleet.workers)].kill(redeliver=number % 2 == 0)


def restart_worker(fleet: Fleet, number: int) -> None:
    if fleet.workers:
        worker = fleet.workers[number % len(fleet.workers)]
        worker.runs.clear()
        worker.shut_down()
        worker.restart()


def lose_reports(fleet: Fleet, number: int) -> None:
    for worker in fleet.workers[: number % 3]:
        if fleet.cluster.has_worker(worker.hostname):  # nothing can be known of one that has never reported
            worker.is_reporting = not worker.is_reporting


def delay_reports(fleet: Fleet, number: int) -> None:
    for worker in fleet.workers:
        worker.delay = number % 4
    for sender in fleet.senders:
        sender.delay = number % 4


def stall(fleet: Fleet, number: int) -> None:
    for worker in fleet.workers[: number % 2 + 1]:
        worker.stalled_since = None if worker.stalled_since else fleet.clock.now


def schedule(fleet: Fleet, number: int) -> None:
    for worker in fleet.workers:
        worker.scheduled = number


def lose_sent(fleet: Fleet, number: int) -> None:
    for sender in fleet.senders:
        sender.is_reporting = not sender.is_reporting


def restart_sender(fleet: Fleet, number: int) -> None:
    if fleet.senders:
        (fleet.senders[0].kill if number % 2 else fleet.senders[0].end)()
    fleet.add_sender()


def hide_lengths(fleet: Fleet, number: int) -> None:
    fleet.unreadable = {} if fleet.unreadable else {QUEUES[number % 2]: "no permission"}


def restart_listener(fleet: Fleet, number: int) -> None:
    for worker in fleet.workers:  # the same as above: one that does not report may take every message
        worker.is_reporting = True
    fleet.restart_listener()


def isolate(fleet: Fleet, number: int) -> None:
    fleet.isolate()
    for _ in range(number):
        fleet.run(1.0)
    fleet.cluster.clear_isolated(fleet.clock.now)


ACTIONS: tuple[Callable[[Fleet, int], None], ...] = (
    burst,
    burst,
    send_uncounted,
    start_worker,
    kill_worker,
    restart_worker,
    lose_reports,
    delay_reports,
    stall,
    schedule,
    lose_sent,
    restart_sender,
    hide_lengths,
    restart_listener,
    isolate,
)

steps = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(1, 9), st.sampled_from((1.0, 4.0, 11.0, 37.0))), max_size=12
)


def found_missing(fleet: Fleet) -> list[tuple[str, int]]:
    return [(row.queue, row.missing) for row in fleet.cluster.balance() if row.missing]


Steps = list[tuple[Callable[[Fleet, int], None], int, float]]


def simulate(steps: Steps, seed: int, rate: float) -> None:
    """Play these steps, and assert all the time that nothing is found missing."""
    fleet = Fleet(seed)
    fleet.add("w1", queues=QUEUES), fleet.add("w2")
    fleet.add_sender()
    fleet.traffic(rate)
    fleet.traffic(rate / 3, "slow")
    fleet.run(40)
    for act, number, seconds in steps:
        act(fleet, number)
        fleet.run(seconds)
        assert not found_missing(fleet)
    fleet.run(LIMIT)
    assert not found_missing(fleet)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps, seed=st.integers(0, 1000), rate=st.sampled_from((0.0, 1.0, 6.0)))
def test_nothing_is_missing_while_nothing_vanishes(steps: Steps, seed: int, rate: float) -> None:
    simulate(steps, seed, rate)
