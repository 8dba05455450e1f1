"""Delay until a change in a worker is visible: a listener's view compared with `celery inspect`.

`python -m benchmarks.freshness [--tasks 40] [--switches 12] [--interval 1.0] [--broker URL]`

Tasks start at random moments, which the worker records. A listener's view is read every 2 ms, while a thread calls
`inspect().active()` in a loop without a pause, more often than any real monitor. Then the queue is cancelled and
consumed again, at random moments too.
"""

import argparse
import contextlib
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figure import Quantiles, quantiles
from benchmarks.workload import add_broker, project_on
from celery_gossip import GossipOptions, Listener
from tests.support.waiting import eventually
from tests.support.workers import Project

LOOK_EVERY = 0.002  #: seconds
CONCURRENCY = 12
NAP = 4.0  #: seconds that a task runs: longer than any report may take
GAPS = (0.35, 0.75)  #: seconds between two tasks: at most CONCURRENCY run at any time
CALM = (1.5, 2.5)  #: seconds between two switches of the queue


@dataclass(frozen=True)
class Freshness:
    """Seconds."""

    started: Quantiles  #: from the start of a task until its id is in the view
    paused: Quantiles  #: from the command that cancels a queue or consumes it again until the view shows it
    asked: Quantiles  #: from the start of a task until a reply contains its id, calling without a pause
    call: Quantiles  #: duration of one call of inspect().active() for all workers
    call_of_one: Quantiles  #: the same for one worker by name


def main() -> None:
    options = parse()
    seen = measure(options.broker, options.tasks, options.switches, options.interval)
    for name in ("started", "paused", "asked", "call", "call_of_one"):
        print(f"{name}: {getattr(seen, name)}", flush=True)


class Sightings:
    """Unix time at which each task was first seen; filled by a thread that reads until stop()."""

    def __init__(self, look: Callable[[], Iterable[str]], every: float = 0.0) -> None:
        self.first: dict[str, float] = {}
        self.took: list[float] = []  #: seconds of each read
        self._look = look
        self._every = every
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextlib.contextmanager
    def going_on(self) -> Iterator["Sightings"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._is_stopped.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._is_stopped.wait(self._every):
            began = time.monotonic()
            ids = self._look()
            self.took.append(time.monotonic() - began)
            now = time.time()
            for task_id in ids:
                self.first.setdefault(task_id, now)


def measure(broker: str, tasks: int, switches: int, interval: float = 1.0) -> Freshness:
    """Measure one prefork worker."""
    with contextlib.ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "started"
        project = stack.enter_context(project_on(broker, interval))
        project.extra_environment = {"GOSSIP_TEST_IMPORT": "benchmarks.started", "GOSSIP_STARTED_FILE": str(file)}
        worker = stack.enter_context(project.worker("--without-mingle", "-l", "WARNING", concurrency=CONCURRENCY))
        app = stack.enter_context(project.app())
        listener = stack.enter_context(Listener(app, GossipOptions(exchange=project.conf["gossip_exchange"])))
        listener.wait(workers=1, timeout=20)
        connection = stack.enter_context(app.connection_for_write())
        viewing = Sightings(lambda: ids_in(listener), LOOK_EVERY)
        everybody = app.control.inspect(connection=connection)
        asking = Sightings(lambda: ids_answered(everybody.active()))
        with viewing.going_on(), asking.going_on():
            sent = list(send(project, tasks))
            eventually(lambda: assert_seen(viewing, sent), timeout=10 + 3 * interval)
            eventually(lambda: assert_seen(asking, sent), timeout=10)
        one = app.control.inspect(destination=[worker.node], connection=connection)
        alone = [seconds_of(one.active) for _ in range(switches)]
        paused = list(switch(project, worker.node, listener, switches))
        began = {task_id: float(at) for task_id, at in map(str.split, file.read_text().splitlines())}
    return Freshness(
        started=delays(viewing, began),
        paused=quantiles(paused),
        asked=delays(asking, began),
        call=quantiles(asking.took),
        call_of_one=quantiles(alone),
    )


def delays(sightings: Sightings, began: dict[str, float]) -> Quantiles:
    return quantiles(sightings.first[task_id] - at for task_id, at in began.items())


def ids_in(listener: Listener) -> list[str]:
    """Return the ids of the running tasks in the view."""
    return [
        task_id for worker in listener.cluster.workers() for check in worker.gossip.checks for task_id in check.active
    ]


def ids_answered(answer: dict[str, list[dict[str, Any]]] | None) -> list[str]:
    return [request["id"] for requests in (answer or {}).values() for request in requests]


def send(project: Project, tasks: int) -> Iterator[str]:
    """Send tasks at random moments; return their ids."""
    for _ in range(tasks):
        time.sleep(random.uniform(*GAPS))
        yield project.send("nap", NAP)


def switch(project: Project, node: str, listener: Listener, times: int) -> Iterator[float]:
    """Cancel the second queue, and consume it again; yield the seconds until the view shows it."""
    queue = project.queues[1]
    for number in range(times):
        time.sleep(random.uniform(*CALM))
        is_paused = number % 2 == 0
        began = time.monotonic()
        with_answer = threading.Thread(
            target=project.control,
            args=("cancel_consumer" if is_paused else "add_consumer", node),
            kwargs={"queue": queue},
        )
        with_answer.start()
        eventually(partial(assert_paused, listener, queue, is_paused=is_paused), timeout=15, every=LOOK_EVERY)
        yield time.monotonic() - began
        with_answer.join()


def assert_paused(listener: Listener, queue: str, *, is_paused: bool) -> None:
    checks = [check for worker in listener.cluster.workers() for check in worker.gossip.checks]
    assert [check.paused for check in checks if check.queue == queue] == [is_paused]


def assert_seen(sightings: Sightings, ids: list[str]) -> None:
    assert not set(ids) - sightings.first.keys()


def seconds_of(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    assert work(), "no worker has replied"
    return time.monotonic() - began


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.freshness", description="Delay from a change to the view")
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument(
        "--switches", type=int, default=12, help="cancellations of a queue, and calls of inspect to one worker"
    )
    parser.add_argument("--interval", type=float, default=1.0, help="seconds")
    add_broker(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
