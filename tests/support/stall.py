"""How late a worker's event loop is, seen from within: GOSSIP_TEST_IMPORT=tests.support.stall.

GOSSIP_TEST_STALL names a file, written anew every second: JSON of `late`, the lateness of a timer of 5 ms, and `held`,
for how long each tick of the step held the loop. Both are histograms, `{upper bound in µs: count}`. Imported by the
project; a worker without the step has no `held`. GOSSIP_TEST_STALL_PERIOD is the timer's period where 200 turns a
second are too many, in seconds. Beside that file, one that ends in `.ending` is written at shutdown: the seconds that
the worker spent there in the hooks of the step.
"""

import functools
import json
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery.signals import worker_ready

PERIOD = float(os.environ.get("GOSSIP_TEST_STALL_PERIOD", "0.005"))  #: seconds
SAVE_EVERY = 1.0  #: seconds
STEP = 1.05  #: by which a bound of the histograms is above the one before

late: Counter[int] = Counter()
held: Counter[int] = Counter()


def note(histogram: Counter[int], seconds: float) -> None:
    exponent = math.ceil(math.log(max(seconds * 1e6, 1.0), STEP))
    histogram[math.ceil(STEP**exponent)] += 1


class Meter:
    """A timer on the loop; each turn arms the next, as the step's own does."""

    def __init__(self, timer: Any, path: Path) -> None:
        self._timer = timer
        self._path = path
        self._save_at = 0.0

    def arm(self) -> None:
        self._timer.call_after(PERIOD, self._turn, (time.monotonic() + PERIOD,))

    def _turn(self, due: float) -> None:
        now = time.monotonic()
        note(late, now - due)
        if now >= self._save_at:
            self._save_at = now + SAVE_EVERY
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps({"late": late, "held": held}))
            new.rename(self._path)
        self.arm()


def timed(method: Any, take: Callable[[float], None]) -> Any:
    """`take` is told how many seconds each call took."""

    @functools.wraps(method)
    def timing(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            take(time.perf_counter() - began)

    return timing


@worker_ready.connect
def begin(sender: Any, **_: Any) -> None:
    Meter(sender.timer, Path(os.environ["GOSSIP_TEST_STALL"])).arm()


class Ending:
    """How long the hooks of a shutdown took, from the first to the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken = 0.0

    def add(self, seconds: float) -> None:
        self._taken += seconds
        self._path.write_text(str(self._taken))


if os.environ.get("GOSSIP_TEST_INSTALL"):
    from celery_gossip.worker.bootstep import GossipStep
    from celery_gossip.worker.tick_timer import TickTimer

    TickTimer._tick = timed(TickTimer._tick, functools.partial(note, held))  # type: ignore[method-assign]
    ending = Ending(Path(os.environ["GOSSIP_TEST_STALL"]).with_suffix(".ending"))
    for hook in ("close", "stop", "shutdown"):
        setattr(GossipStep, hook, timed(getattr(GossipStep, hook), ending.add))
