"""Synthetic fleet: publish as N workers through a real broker, with the same bytes as real workers.

`python -m benchmarks.fleet --workers 1000 --queues 10 [--interval 1] [--tasks-per-queue 1] [--rate N] [--broker URL]
[--exchange celery_gossip] [--seconds N] [--churn PER_MINUTE] [--restarts PER_MINUTE] [--silences PER_MINUTE]
[--names plain|hostile] [--seed N]`

Ctrl-C ends it: the workers report `offline` (after kill -9 they do not), and a line of statistics is printed. One
process, one thread; if it cannot keep its schedule it prints a line on stderr.
"""

import argparse
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from celery import Celery
from msgspec.structs import replace

from benchmarks.synthetic import NAMES, Fleet, Plan
from benchmarks.workload import add_broker
from celery_gossip import GossipOptions
from celery_gossip.errors import GossipError
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.publisher import Publisher
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Gossip

__all__ = ["FleetPublisher", "main"]

LATE = 0.1  #: seconds behind its schedule from which a gossip counts as late
STOP_CHECK_INTERVAL = 0.1  #: seconds between two checks whether to stop
WARN_INTERVAL = 5.0  #: seconds between two lines on stderr
PAUSE_AFTER_ERROR = 0.5  #: seconds without publishing after an error, as in the sender of a worker


class PublisherLike(Protocol):
    """The part of a Publisher that a FleetPublisher uses."""

    def publish(self, body: bytes) -> bool: ...
    def fail_over(self) -> None: ...


class FleetPublisher:
    """Publish the reports of a schedule when they are due, on one thread. stop() may be called on any thread."""

    def __init__(
        self,
        publisher: PublisherLike,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.published = 0
        self.bytes = 0
        self.unsent = 0  #: because the broker was unavailable or blocked
        self.late = 0  #: of the published reports
        self.most_behind = 0.0  #: seconds
        self._publisher = publisher
        self._clock = clock
        self._sleep = sleep
        self._is_stopped = False
        self._retry_at = self._warn_again_at = float("-inf")

    def stop(self) -> None:
        """Let run() end soon. Safe in a signal handler, unlike an Event, which has a lock."""
        self._is_stopped = True

    def run(self, schedule: Iterable[tuple[float, Gossip]], seconds: float = float("inf")) -> float:
        """Publish for this long or until stop(); return the seconds that passed."""
        began = self._clock()
        for due, gossip in schedule:
            self._sleep_until(min(began + due, began + seconds))
            if self._is_stopped or due >= seconds:
                break
            self.publish(gossip)
        return self._clock() - began

    def publish(self, gossip: Gossip) -> None:
        """Publish this report with the current time; while the broker is unavailable, only count it."""
        if self._clock() < self._retry_at:
            self.unsent += 1
            return
        body = encode(replace(gossip, sent_at=time.time()))
        try:
            is_sent = self._publisher.publish(body)
        except Exception as exc:  # the class depends on the transport
            self._publisher.fail_over()
            self._retry_at = self._clock() + PAUSE_AFTER_ERROR
            self._warn(f"cannot publish: {exc!r}")
            is_sent = False
        self.published += is_sent
        self.unsent += not is_sent
        self.bytes += len(body) * is_sent

    def _sleep_until(self, moment: float) -> None:
        while not self._is_stopped and (ahead := moment - self._clock()) > 0:
            self._sleep(min(ahead, STOP_CHECK_INTERVAL))
        behind = self._clock() - moment
        self.most_behind = max(self.most_behind, behind)
        if behind > LATE:
            self.late += 1
            self._warn(f"{behind:.2f} s behind its schedule; due reports are sent as fast as this process can")

    def _warn(self, text: str) -> None:
        if self._clock() >= self._warn_again_at:
            self._warn_again_at = self._clock() + WARN_INTERVAL
            print(f"fleet: {text}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Publish until the time is over or a signal arrives."""
    options = parse(arguments)
    try:
        gossip_options = GossipOptions(interval=options.interval, exchange=options.exchange)
        broker = open_broker(Celery("bottle", broker=options.broker, set_as_current=False), gossip_options)
    except GossipError as exc:
        print(f"fleet: {exc}", file=sys.stderr)
        return 2
    print(f"fleet: {options.workers} workers on {broker.uri}, seed {options.seed}", file=sys.stderr, flush=True)
    publisher = Publisher(broker)
    try:
        print(publish(Fleet(plan_of(options)), FleetPublisher(publisher), options.seconds), flush=True)
    finally:
        publisher.close()
    return 0


def publish(fleet: Fleet, publisher: FleetPublisher, seconds: float) -> str:
    """Run the fleet until its end or a signal; return the line of statistics."""

    def on_signal(number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
        publisher.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    passed = publisher.run(fleet.schedule(), seconds)
    line = statistics(publisher, passed)
    for gossip in fleet.last_reports(passed):
        publisher.publish(gossip)
    return line


def statistics(publisher: FleetPublisher, passed: float) -> str:
    return (
        f"published {publisher.published} gossips in {passed:.1f} s: {publisher.published / passed:.0f} per second, "
        f"{publisher.bytes / max(publisher.published, 1):.0f} bytes each; unsent {publisher.unsent}; "
        f"late by more than {LATE} s: {publisher.late}, at most {publisher.most_behind:.3f} s behind; "
        f"CPU {time.process_time() / passed:.0%} of a core"
    )


def plan_of(options: argparse.Namespace) -> Plan:
    names = (
        "workers",
        "queues",
        "interval",
        "tasks_per_queue",
        "rate",
        "churn",
        "restarts",
        "silences",
        "names",
        "seed",
    )
    return Plan(began_at=time.time(), **{name: getattr(options, name) for name in names})


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.fleet", description="Publish gossip as a fleet of synthetic workers"
    )
    add_size(parser)
    parser.add_argument("--exchange", default="celery_gossip")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end after this time")
    parser.add_argument(
        "--churn", type=float, default=0.0, help="workers per minute that shut down, each followed by a new hostname"
    )
    parser.add_argument(
        "--restarts", type=float, default=0.0, help="workers per minute that restart without a last report"
    )
    parser.add_argument(
        "--silences", type=float, default=0.0, help="workers per minute that do not report for 15 intervals"
    )
    parser.add_argument("--names", choices=NAMES, default="plain")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32), help="the same seed gives the same fleet")
    return parser.parse_args(arguments)


def add_size(parser: argparse.ArgumentParser) -> None:
    """Add the options that benchmarks.listening has too."""
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--queues", type=int, default=10, help="of each worker")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds")
    parser.add_argument("--tasks-per-queue", type=int, default=1, help="task names that are counted; 0: none")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="short tasks per second and worker, in addition to a long one"
    )
    add_broker(parser)


if __name__ == "__main__":
    sys.exit(main())
