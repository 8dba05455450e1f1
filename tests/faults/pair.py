"""Two workers side by side that differ in one thing, the step: what slows the machine slows both."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import eventually
from tests.support.lateness import Lateness, read
from tests.support.load import Load, Pace, pace
from tests.support.workers import QUIET, Project, Worker

__all__ = ["NAP", "SLOTS", "Pair", "Side", "ahead", "check_stop", "compare", "side_by_side"]

NAP = 0.1  #: seconds that a task takes where its rate shall not depend on the machine
SLOTS = 4

_GREEN = ("gevent", "eventlet")
_LOOKS_UP = 2.0  #: seconds that Celery's loop of these pools waits for a message before it sees that it shall end
_NEVER = 60.0  #: seconds; what a stop is said to take that does not end


@dataclass(frozen=True)
class Side:
    """A worker, and the corner of the broker that it has for itself."""

    project: Project
    worker: Worker
    stall_file: Path

    def lateness(self) -> Lateness:
        return eventually(self._read)

    def seconds_in_hooks(self) -> float:
        """That its shutdown spent in those of the step; once it has ended."""
        return float(self.stall_file.with_suffix(".ending").read_text())

    def _read(self) -> Lateness:
        assert self.stall_file.exists(), "no turn of the loop yet"
        return read(self.stall_file)


@dataclass(frozen=True)
class Pair:
    without: Side
    with_step: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.without, self.with_step


@contextmanager
def side_by_side(
    folder: Path, broker_url: str, pool: str, wrapper: tuple[str, ...] = (), *, is_equal: bool = False, **conf: Any
) -> Iterator[Pair]:
    """Both ready; their queues are deleted at the end. `conf` is Celery's, `wrapper` a command that runs the worker.

    Equal ones are both without the step: what they differ by is the machine's noise.
    """
    with ExitStack() as stack:
        sides = []
        for name, install in (("without", None), ("with", None if is_equal else {"interval": 0.5})):
            project = Project(broker_url, **conf)
            project.install, project.wrapper = install, wrapper
            file = folder / f"{name}.json"
            project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.stall", "GOSSIP_TEST_STALL": str(file)}
            stack.callback(project.clean)
            worker = stack.enter_context(project.worker(*QUIET, pool=pool, concurrency=SLOTS))
            sides.append(Side(project, worker, file))
        yield Pair(*sides)


def ahead() -> tuple[str, ...]:
    """A wrapper that lets a worker go before whatever else the machine does; none in the short form, or without root.

    For workers that have little to do: they would take the machine for themselves.
    """
    may = SCALE.is_full and os.geteuid() == 0 and shutil.which("chrt") is not None
    return ("chrt", "--rr", "1") if may else ()


def compare(pair: Pair, seconds: float, task: tuple[Any, ...] = ("nap", NAP), window: float = 0.0) -> Pace:
    """The pace of both at these tasks from Redis; in one window, where it is not told."""
    with ExitStack() as stack:
        loads = [Load(side.project, *task) for side in pair.sides]
        for load in loads:
            stack.callback(load.close)
            stack.callback(load.purge)
        return pace((loads[0], loads[1]), seconds, window or seconds)


def check_stop(pair: Pair, figures: Figures, row: str, case: str) -> None:
    """A warm shutdown of each; `case` begins with the pool."""
    without, with_step = _seconds_to_stop(pair)
    figures.note(row, case, "warm shutdown without the bootstep, s", without)
    in_hooks = pair.with_step.seconds_in_hooks()
    figures.check(row, case, "time of the warm shutdown in our hooks, s", in_hooks, most=2.0)
    most = 2.0 + (_LOOKS_UP if case.startswith(_GREEN) else 0.0)
    note = "the bound is 2 s and, on gevent and eventlet, the 2 s after which Celery's loop looks up"
    figures.check(row, case, "additional time of the warm shutdown, s", with_step - without, most=most, note=note)
    assert pair.with_step.worker.process.returncode == 0


def _seconds_to_stop(pair: Pair) -> tuple[float, float]:
    """Of a warm shutdown of each, asked for at the same moment."""
    began = time.monotonic()
    for side in pair.sides:
        side.worker.terminate()
    took: dict[str, float] = {}
    while len(took) < 2 and time.monotonic() - began < _NEVER:
        for side in pair.sides:
            if side.worker.process.poll() is not None:
                took.setdefault(side.worker.node, time.monotonic() - began)
        time.sleep(0.01)
    without, with_step = (took.get(side.worker.node, _NEVER) for side in pair.sides)
    return without, with_step
