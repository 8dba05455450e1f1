"""The gossip's broker does not answer: frozen, gone, in a black hole, or behind a name server that is mute.

Two workers side by side on a Redis that is well, one of them without the step. Their tasks sleep, so that neither is
held up by what else the machine does: the slots are what limits them, and a loop that stood still would show.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.faults.crew import tracebacks_of_ours
from tests.faults.figure import Figures
from tests.faults.pair import Pair, Side, ahead, check_stop, compare, side_by_side
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.blackhole import black_hole, mute_name_server, why_no_name_server
from tests.support.ear import Ear
from tests.support.lateness import Lateness, quantile

IDLE = SCALE.frozen / 3  #: seconds of the fault in which there is nothing to do: then a stall of the loop is seen best
POOLS = ("prefork", "gevent", *(("threads", "solo", "eventlet") if SCALE.is_full else ()))
FAULTS = (
    "frozen Redis",
    "frozen RabbitMQ",
    "closed port, redis",
    "closed port, amqp",
    "black hole, redis",
    "black hole, amqp",
    "name server without response",
)
#: The short form leaves some to the full one: gevent is where a call that blocks would block all.
CASES = [
    pytest.param(name, pool, marks=[pytest.mark.rabbitmq] if name == "frozen RabbitMQ" else [])
    for number, name in enumerate(FAULTS)
    for pool in (POOLS if SCALE.is_full or name.startswith(("frozen", "name server")) else [POOLS[number % 2]])
]

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(300)]


class Fault:
    """What happens to the gossip's broker: where it is, and how it is struck once it was heard of."""

    def __init__(self, name: str, request: pytest.FixtureRequest, stack: ExitStack, folder: Path) -> None:
        self.name = name
        self.wrapper: tuple[str, ...] = ()
        self._stack = stack
        self._broker: brokers.PrivateBroker | None = None
        if name == "frozen Redis":
            self._broker = stack.enter_context(brokers.running(brokers.private("redis")))
            self.url = self._broker.url
        elif name == "frozen RabbitMQ":
            self._broker = request.getfixturevalue("private_rabbitmq")
            self.url = self._broker.url
        elif name == "name server without response":
            self._name_server = stack.enter_context(mute_name_server(folder))
            self.wrapper = self._name_server.wrapper
            self.url = "redis://gossip.example/0"
        else:
            port = brokers.free_port() if name.startswith("closed") else stack.enter_context(black_hole())
            self.url = f"{name.rpartition(' ')[2]}://127.0.0.1:{port}//"

    def strike(self, pair: Pair) -> None:
        """Returns when the worker with the step has met it."""
        if self._broker is not None:
            with Ear(pair.with_step.project) as ear:
                ear.wait(0.0, timeout=30)
            self._stack.callback(self._broker.thaw)
            self._broker.freeze()
        elif self.wrapper:
            eventually(self._assert_asked, timeout=30)
        else:
            eventually(lambda: assert_undelivered(pair), timeout=30)

    def _assert_asked(self) -> None:
        assert self._name_server.was_asked


def assert_undelivered(pair: Pair) -> None:
    assert "cannot deliver to" in pair.with_step.worker.output


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(("name", "pool"), CASES)
def test_a_gossip_broker_that_does_not_answer_delays_neither_loop_nor_tasks_nor_shutdown(
    name: str, pool: str, figures: Figures, request: pytest.FixtureRequest, stack: ExitStack, tmp_path: Path
) -> None:
    case = f"{pool}, {name}"
    why_not = why_no_name_server() if name == "name server without response" else ""
    if why_not:
        figures.miss("hung", case, why_not)
        brokers.give_up(why_not)
    fault = Fault(name, request, stack, tmp_path)
    redis_url = brokers.require(brokers.REDIS_URL)
    pair = stack.enter_context(
        side_by_side(tmp_path, redis_url, pool, (*ahead(), *fault.wrapper), gossip_broker_url=fault.url)
    )
    fault.strike(pair)
    found = loops(pair)
    check_tasks(pair, figures, case)
    check_shutdown(pair, figures, case)
    check_loops(found, figures, case)
    assert not tracebacks_of_ours(pair.with_step.worker)


def loops(pair: Pair) -> tuple[Lateness, Lateness]:
    """How late each was while there was nothing to do."""
    before = [side.lateness() for side in pair.sides]
    time.sleep(IDLE)  # a stall can only be seen over time
    without, with_step = (side.lateness() - earlier for side, earlier in zip(pair.sides, before, strict=True))
    return without, with_step


def check_loops(found: tuple[Lateness, Lateness], figures: Figures, case: str) -> None:
    without, with_step = (quantile(one.late, 0.999) for one in found)
    figures.note("hung", case, "timer delay without the bootstep, p99.9, ms", without)
    note = "the bound is 5 ms plus the delay without the bootstep, which the machine causes"
    figures.check(
        "hung",
        case,
        "additional timer delay, p99.9, ms",
        with_step - without,
        most=5.0 + without,
        is_noisy=True,
        note=note,
    )
    held = found[1].held
    figures.check("hung", case, "duration of our tick, median, ms", quantile(held, 0.5), most=5.0)
    figures.check("hung", case, "duration of our tick, p95, ms", quantile(held, 0.95), most=5.0, is_noisy=True)
    assert quantile(held, 1.0) < 100, "the loop waited for the broker"


def check_tasks(pair: Pair, figures: Figures, case: str) -> None:
    found = compare(pair, SCALE.frozen - IDLE)
    figures.note("hung", case, "tasks per second, without the bootstep", found.rates[0])
    figures.note("hung", case, "tasks per second", found.rates[1])
    figures.check("hung", case, "rate, ratio to that without the bootstep", found.ratio, least=0.98, is_noisy=True)
    assert found.ratio > 0.9


@pytest.mark.skipif(not SCALE.is_full, reason="it takes a quiet machine")
@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_tasks_that_do_nothing_are_no_slower_than_two_equal_workers_differ(
    pool: str, figures: Figures, request: pytest.FixtureRequest, stack: ExitStack, tmp_path: Path
) -> None:
    case = f"{pool}, frozen Redis, no-op tasks"
    fault = Fault("frozen Redis", request, stack, tmp_path)
    conf = {"gossip_broker_url": fault.url}
    redis_url = brokers.require(brokers.REDIS_URL)
    with side_by_side(tmp_path, redis_url, pool, is_equal=True, **conf) as equal:
        noise = compare(equal, SCALE.frozen, ("nothing",), window=1.0)
    pair = stack.enter_context(side_by_side(tmp_path, redis_url, pool, **conf))  # left once the broker has thawed
    fault.strike(pair)
    found = compare(pair, SCALE.frozen, ("nothing",), window=1.0)
    figures.note("hung", case, "ratio of the rates of two equal workers", noise.ratio)
    figures.note("hung", case, "tasks per second, without the bootstep", found.rates[0])
    note = (
        f"median of {found.windows} windows of one second; the bound is 2 % plus the difference between equal workers"
    )
    least = 0.98 - abs(1 - noise.ratio)
    figures.check("hung", case, "rate, ratio to that without the bootstep", found.ratio, least=least, note=note)


def check_shutdown(pair: Pair, figures: Figures, case: str) -> None:
    for side in pair.sides:
        eventually(partial(assert_idle, side), timeout=15)
    check_stop(pair, figures, "hung", case)


def assert_idle(side: Side) -> None:
    assert not side.project.inspect("reserved", side.worker.node)
