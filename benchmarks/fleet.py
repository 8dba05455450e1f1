"""A fleet in a bottle: publishes as N synthetic workers through a real broker, with the bytes that real ones send.

`python -m benchmarks.fleet --workers 1000 --queues 10 [--interval 1] [--tasks-per-queue 1] [--rate N] [--broker URL]
[--exchange celery_gossip] [--seconds N] [--churn PER_MINUTE] [--restarts PER_MINUTE] [--silences PER_MINUTE]
[--names plain|hostile] [--seed N]`

Ctrl-C ends it: the workers say goodbye (after kill -9 they do not), and a line of statistics is printed. One process,
one thread; where it cannot keep its schedule it says so on stderr.
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
from celery_gossip.exchange import Publisher, open_broker
from celery_gossip.messages import Gossip, encode

__all__ = ["Voice", "main"]

LATE = 0.1  #: seconds behind its schedule from which a gossip counts as late
NAP = 0.1  #: seconds between two looks whether to stop
COMPLAIN_EVERY = 5.0  #: seconds between two lines on stderr
PAUSE_AFTER_ERROR = 0.5  #: seconds for which what is due is not sent, as the sender of a worker would


class Mouth(Protocol):
    """What a Voice needs of a Publisher."""

    def publish(self, body: bytes) -> bool: ...
    def drop(self) -> None: ...


class Voice:
    """Publishes a schedule at its times, and counts how well that goes. One thread; stop() from any."""

    def __init__(
        self,
        publisher: Mouth,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.published = 0
        self.bytes = 0
        self.unsent = 0  #: the broker was away or blocked
        self.late = 0  #: of those published
        self.most_behind = 0.0  #: seconds
        self._publisher = publisher
        self._clock = clock
        self._sleep = sleep
        self._is_stopped = False
        self._mute_until = self._quiet_until = float("-inf")

    def stop(self) -> None:
        """Let run() end soon; safe in a signal handler, where the lock of an Event is not."""
        self._is_stopped = True

    def run(self, schedule: Iterable[tuple[float, Gossip]], seconds: float = float("inf")) -> float:
        """Publish for this long or until stop(); gives the seconds that passed."""
        began = self._clock()
        for due, gossip in schedule:
            self._await(min(began + due, began + seconds))
            if self._is_stopped or due >= seconds:
                break
            self.say(gossip)
        return self._clock() - began

    def say(self, gossip: Gossip) -> None:
        """Publish this now, dated now; while the broker is away it is only counted."""
        if self._clock() < self._mute_until:
            self.unsent += 1
            return
        body = encode(replace(gossip, sent_at=time.time()))
        try:
            is_sent = self._publisher.publish(body)
        except Exception as exc:  # any class, by transport
            self._publisher.drop()
            self._mute_until = self._clock() + PAUSE_AFTER_ERROR
            self._complain(f"cannot publish: {exc!r}")
            is_sent = False
        self.published += is_sent
        self.unsent += not is_sent
        self.bytes += len(body) * is_sent

    def _await(self, moment: float) -> None:
        while not self._is_stopped and (ahead := moment - self._clock()) > 0:
            self._sleep(min(ahead, NAP))
        behind = self._clock() - moment
        self.most_behind = max(self.most_behind, behind)
        if behind > LATE:
            self.late += 1
            self._complain(f"{behind:.2f} s behind its schedule; what is due is sent as fast as this process can")

    def _complain(self, text: str) -> None:
        if self._clock() >= self._quiet_until:
            self._quiet_until = self._clock() + COMPLAIN_EVERY
            print(f"fleet: {text}", file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Publish until the time is over or a signal comes."""
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
        print(publish(Fleet(plan_of(options)), Voice(publisher), options.seconds), flush=True)
    finally:
        publisher.close()
    return 0


def publish(fleet: Fleet, voice: Voice, seconds: float) -> str:
    """Run the fleet to its end, which a signal may hasten; gives the line of statistics."""

    def on_signal(number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends at once
        voice.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    passed = voice.run(fleet.schedule(), seconds)
    line = statistics(voice, passed)
    for gossip in fleet.goodbyes(passed):
        voice.say(gossip)
    return line


def statistics(voice: Voice, passed: float) -> str:
    return (
        f"published {voice.published} gossips in {passed:.1f} s: {voice.published / passed:.0f} a second, "
        f"{voice.bytes / max(voice.published, 1):.0f} bytes each; unsent {voice.unsent}; "
        f"late by more than {LATE} s: {voice.late}, at most {voice.most_behind:.3f} s behind; "
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
    parser = argparse.ArgumentParser(prog="benchmarks.fleet", description="Publish gossip as many synthetic workers")
    add_size(parser)
    parser.add_argument("--exchange", default="celery_gossip")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end by itself after this long")
    parser.add_argument("--churn", type=float, default=0.0, help="goodbyes a minute, each with a new hostname")
    parser.add_argument("--restarts", type=float, default=0.0, help="a minute: a new boot, no goodbye")
    parser.add_argument("--silences", type=float, default=0.0, help="a minute: silent for 15 intervals")
    parser.add_argument("--names", choices=NAMES, default="plain")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32), help="the same one, the same fleet")
    return parser.parse_args(arguments)


def add_size(parser: argparse.ArgumentParser) -> None:
    """The options that benchmarks.listening has too."""
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--queues", type=int, default=10, help="of each worker")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds")
    parser.add_argument("--tasks-per-queue", type=int, default=1, help="names of tasks that are counted; 0: none")
    parser.add_argument("--rate", type=float, default=0.0, help="short tasks a second and worker, beside a long one")
    add_broker(parser)


if __name__ == "__main__":
    sys.exit(main())
