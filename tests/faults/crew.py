"""Workers side by side, one of each pool, and what tests of faults ask of them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from tests.faults.scale import SCALE
from tests.support.ear import Ear
from tests.support.workers import QUIET, Project, Worker

__all__ = [
    "POOLS",
    "QUIET",
    "Crew",
    "all_online",
    "crew",
    "gossip_rates",
    "heard_again",
    "is_online",
    "lines_of_ours",
    "reconnects",
    "tracebacks_of_ours",
]

#: With an event loop and real threads, with neither, and the others in the full form.
POOLS = ("prefork", "gevent", *(("threads", "solo", "eventlet") if SCALE.is_full else ()))

Crew = dict[str, Worker]  #: `{pool: worker}`


@contextmanager
def crew(project: Project, *flags: str, pools: tuple[str, ...] = POOLS) -> Iterator[Crew]:
    """A worker of each pool, ready; killed at the end."""
    with ExitStack() as stack:
        yield {pool: stack.enter_context(project.worker(*QUIET, *flags, pool=pool, name=pool)) for pool in pools}


def is_online(worker: Worker, gossip: Any) -> bool:
    return bool(gossip.hostname == worker.node and gossip.state == "online" and gossip.stalled_for == 0)


def heard_again(ear: Ear, workers: Crew, moment: float, timeout: float) -> dict[str, float]:
    """`{pool: seconds after this moment}` at which each was heard first."""
    return {
        pool: ear.wait(moment, timeout, lambda gossip, node=worker.node: bool(gossip.hostname == node))
        for pool, worker in workers.items()
    }


def all_online(ear: Ear, workers: Crew, moment: float, timeout: float) -> None:
    """Until each worker says that its own event loop ticks, too."""
    for worker in workers.values():
        ear.wait(moment, timeout, partial(is_online, worker))


def gossip_rates(ear: Ear, workers: Crew, interval: float, rounds: int) -> dict[str, float]:
    """`{pool: gossips per interval}` over so many intervals."""
    began = time.monotonic()
    time.sleep(interval * rounds)  # a rate can only be seen over time
    took = time.monotonic() - began
    heard = [gossip.hostname for gossip in ear.since(began)]
    return {pool: heard.count(worker.node) * interval / took for pool, worker in workers.items()}


def reconnects(worker: Worker) -> int:
    """Of the consumer: on gevent the pidbox has a connection of its own, and says so later."""
    return worker.output.count("] Connected to")


def lines_of_ours(worker: Worker) -> list[str]:
    """What its log says of this package."""
    return [line for line in worker.output.splitlines() if "celery-gossip: " in line]


def tracebacks_of_ours(worker: Worker) -> list[str]:
    """The lines of tracebacks that go through this package."""
    return [line for line in worker.output.splitlines() if "celery_gossip/" in line]
