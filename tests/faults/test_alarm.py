"""RabbitMQ's memory alarm: of the broker that only the gossip uses, and of the worker's own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kombu import Queue

from tests.faults.crew import lines_of_ours, tracebacks_of_ours
from tests.faults.figure import Figures
from tests.faults.pair import SLOTS, Pair, Side, ahead, check_stop, compare, side_by_side
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.ear import Ear
from tests.support.workers import Project

LONG_NAP = 0.25  #: seconds; the queues must not run dry while they are filled
POOLS = ("threads", *(("prefork", "gevent") if SCALE.is_full else ()))

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.timeout(600)]


@contextmanager
def alarm(broker: brokers.PrivateRabbitMQ) -> Iterator[None]:
    """As long as it lasts RabbitMQ reads nothing more from a connection that publishes."""
    broker.limit_memory(0.00001)
    try:
        yield
    finally:
        broker.limit_memory(0.4)


@pytest.mark.redis
@pytest.mark.parametrize("pool", ["prefork", *(("gevent",) if SCALE.is_full else ())])
def test_an_alarm_of_the_gossips_broker_holds_gossip_back_and_nothing_else(
    private_rabbitmq: brokers.PrivateRabbitMQ, pool: str, figures: Figures, tmp_path: Path
) -> None:
    case = f"{pool}, gossip broker only"
    redis_url = brokers.require(brokers.REDIS_URL)
    with side_by_side(tmp_path, redis_url, pool, ahead(), gossip_broker_url=private_rabbitmq.url) as pair:
        side, began = pair.with_step, time.monotonic()
        with Ear(side.project) as ear:
            ear.wait(0.0, timeout=30)
            with alarm(private_rabbitmq):
                eventually(lambda: assert_said("has blocked publishers", side), timeout=15)
                check_pace(pair, figures, case)
            check_recovery(ear, side.project, figures, case)
            with alarm(private_rabbitmq):
                check_shutdown(pair, figures, case)
        assert not tracebacks_of_ours(side.worker)
        assert len(lines_of_ours(side.worker)) <= 4 + (time.monotonic() - began) // 60, "one of a kind in a minute"


@pytest.mark.parametrize("pool", POOLS)
def test_an_alarm_of_the_workers_own_broker_leaves_tasks_acknowledged_at_the_full_rate(
    private_rabbitmq: brokers.PrivateRabbitMQ, pool: str, figures: Figures, tmp_path: Path
) -> None:
    case = f"{pool}, worker's own broker"
    with side_by_side(tmp_path, private_rabbitmq.url, pool, ahead()) as pair:
        with Ear(pair.with_step.project) as ear:
            ear.wait(0.0, timeout=30)
            while min(waiting(side.project) for side in pair.sides) < (SCALE.alarm + 20) * SLOTS / LONG_NAP:
                for side in pair.sides:
                    send_naps(side.project, 100)
            calm = rates(pair, seconds=5)
            with alarm(private_rabbitmq):
                time.sleep(1)  # the workers' gossip meets it
                alarmed = rates(pair, SCALE.alarm)
            check_recovery(ear, pair.with_step.project, figures, case)
        figures.note("alarm", case, "tasks acknowledged per second, without the bootstep", alarmed[0])
        figures.note("alarm", case, "tasks acknowledged per second", alarmed[1])
        figures.check("alarm", case, "rate, ratio to that without the bootstep", alarmed[1] / alarmed[0], least=0.9)
        figures.check(
            "alarm", case, "rate, ratio to that before the alarm", alarmed[1] / calm[1], least=0.95, is_noisy=True
        )
        assert not tracebacks_of_ours(pair.with_step.worker)
        for side in pair.sides:
            side.worker.kill()  # most of what it has to do is still to come


def check_pace(pair: Pair, figures: Figures, case: str) -> None:
    """Of tasks from Redis, for as long as the alarm shall last."""
    found = compare(pair, SCALE.alarm)
    figures.note("alarm", case, "tasks acknowledged per second, without the bootstep", found.rates[0])
    figures.note("alarm", case, "tasks acknowledged per second", found.rates[1])
    figures.check("alarm", case, "rate, ratio to that without the bootstep", found.ratio, least=0.95, is_noisy=True)
    assert found.ratio > 0.9


def check_recovery(ear: Ear, project: Project, figures: Figures, case: str) -> None:
    """The alarm has ended just now."""
    back = ear.wait(time.monotonic(), timeout=10)
    figures.check("alarm", case, "time to the next report, s", back, most=3.0)
    eventually(lambda: assert_sees_it_online(ear), timeout=3)
    wrongly = [entry.state for entry in ear.entries if entry.state in ("suspect", "lost")]
    figures.check("alarm", case, "workers that became suspect or lost", len(wrongly), most=0)


def check_shutdown(pair: Pair, figures: Figures, case: str) -> None:
    time.sleep(1)  # the alarm is noticed at the next gossip
    check_stop(pair, figures, "alarm", case)


def assert_sees_it_online(ear: Ear) -> None:
    assert [worker.state for worker in ear.listener.cluster.workers()] == ["online"]


def assert_said(text: str, side: Side) -> None:
    assert text in side.worker.output


def send_naps(project: Project, count: int) -> None:
    with project.app() as app, app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for _ in range(count):
            app.send_task("tests.support.project.nap", [LONG_NAP], queue=project.queues[0], producer=producer)


def rates(pair: Pair, seconds: float) -> list[float]:
    """Tasks a second that were taken from each queue: no more is delivered than was acked."""
    before = [waiting(side.project) for side in pair.sides]
    began = time.monotonic()
    time.sleep(seconds)  # a rate can only be seen over time
    after = [waiting(side.project) for side in pair.sides]
    took = time.monotonic() - began
    assert all(after), "the queues ran dry"
    return [(earlier - later) / took for earlier, later in zip(before, after, strict=True)]


def waiting(project: Project) -> int:
    with project.app() as app, app.connection_for_write() as connection:
        declared: Any = Queue(project.queues[0])(connection.default_channel).queue_declare(passive=True)
        return int(declared.message_count)
