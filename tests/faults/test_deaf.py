"""A listener is stopped while its fleet speaks on: what waits for it is bounded, and what is stale is not read."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from kombu import Connection

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers
from tests.support.flood import FLEET, fleet_hostnames
from tests.support.listened import ListenerProcess, listener_process
from tests.support.voices import Flood, flooded
from tests.support.workers import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SCALE.deaf + 240)]

MOST_STALE = 100
MOST_MEMORY = 64.0  #: MB of the broker's; Redis keeps 32 for a subscriber that does not read
RIGHT_WITHIN = 3.0  #: seconds


@pytest.mark.redis
def test_on_redis_a_listener_that_wakes_up_takes_nothing_stale(figures: Figures) -> None:
    with brokers.running(brokers.private("redis")) as broker, Connection(broker.url) as connection:
        client = connection.default_channel.client

        def memory() -> float:
            return float(client.info("memory")["used_memory"]) / 2**20

        assert_wakes_up_well(Project(broker.url), figures, "Redis", memory)


@pytest.mark.rabbitmq
def test_on_rabbitmq_a_listener_that_wakes_up_takes_nothing_stale(
    private_rabbitmq: brokers.PrivateRabbitMQ, figures: Figures
) -> None:
    def memory() -> float:
        """Of all queues: the node's own comes and goes with its garbage collector."""
        told = private_rabbitmq.control("list_queues", "--quiet", "--no-table-headers", "memory")
        return sum(float(line) for line in told.split()) / 2**20

    assert_wakes_up_well(Project(private_rabbitmq.url), figures, "RabbitMQ", memory)


def assert_wakes_up_well(project: Project, figures: Figures, broker: str, memory: Callable[[], float]) -> None:
    case = f"{broker}, stopped for {SCALE.deaf:.0f} s, {FLEET} messages per second"
    with heard_fleet(project) as (listener, fleet):
        before, said, stopped_at = memory(), fleet.sent, listener.stop()
        most = max(samples(memory, until=stopped_at + SCALE.deaf)) - before
        assert listener.is_stopped, "somebody has woken it"
        figures.check("deaf", case, "messages missed", fleet.sent - said, least=0.8 * FLEET * SCALE.deaf)
        woken_at = listener.wake()
        time.sleep(RIGHT_WITHIN)  # what it takes meanwhile can only be seen over time
        right_after = listener.await_right(woken_at)
        told = {state: len(listener.told(state, after=woken_at)) for state in ("suspect", "lost")}
    figures.check("deaf", case, "additional memory of the broker, maximum, MB", most, most=MOST_MEMORY)
    figures.check("deaf", case, "stale messages applied", listener.stale, most=MOST_STALE)
    figures.check("deaf", case, "time until the view is correct, s", right_after, most=RIGHT_WITHIN, is_noisy=True)
    figures.check("deaf", case, "live workers that became lost", told["lost"], most=0)
    figures.check("deaf", case, "live workers that became suspect", told["suspect"], most=0, is_noisy=True)


@contextmanager
def heard_fleet(project: Project) -> Iterator[tuple[ListenerProcess, Flood]]:
    """A listener that hears the whole fleet, and has a view that is right."""
    with listener_process(project, "closely") as listener:
        listener.await_right(after=0.0)  # on RabbitMQ it makes the exchange
        with flooded(project, "fleet", FLEET) as fleet:
            listener.await_states("online", *fleet_hostnames(), timeout=40)
            listener.await_right(after=0.0)
            yield listener, fleet


def samples(memory: Callable[[], float], until: float) -> Iterator[float]:
    """The broker's memory every second."""
    while time.monotonic() < until:
        yield memory()
        time.sleep(1.0)
    yield memory()
