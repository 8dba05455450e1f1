"""Counts the instructions that a listener executes for an honest fleet, in this version and an older one (valgrind).

`python -m benchmarks.instructions [--before COMMIT] [--workers 1000] [--queues 10]`

CPU time varies by 10 % and more while other processes run on the machine; the number of instructions repeats within
0.1 %. Both versions receive the same messages, encoded by this version. The steps of the listener's thread and of the
thread that reads queue lengths are called in one process, with a clock that the benchmark sets and without a broker.

The counted process imports only public names of the package, because modules have other names in another version.
"""

import argparse
import inspect
import sys
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from celery import Celery

from benchmarks.valgrind import count_instructions
from celery_gossip import GossipOptions, Listener

__all__ = ["BEFORE", "Cost", "Load", "compare", "listen"]

#: The last commit in which all modules were in one folder, before listeners were defended against hostile peers.
BEFORE = "b5bc2cd"
REPOSITORY = Path(__file__).parents[1]
ROUNDS = 6  #: simulated seconds; each worker reports once per second
_WARM = 2  #: seconds after which the work per second no longer changes
_MESSAGES_PER_READ = 5
_QUEUE_LENGTH_READS = 4  #: per second


@dataclass(frozen=True)
class Load:
    """The number of rounds, one per second, and the work in addition to the messages."""

    rounds: int
    has_review: bool = False
    has_backlogs: bool = False
    has_view: bool = False


@dataclass(frozen=True)
class Cost:
    """Instructions of one part in both versions."""

    part: str
    before: float
    now: float


class Message:
    """A message as a subscription returns it."""

    def __init__(self, body: bytes) -> None:
        self.body, self.is_verified = body, None


class Clock:
    """A clock that the benchmark sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def main() -> None:
    options = parse()
    if options.here:
        rounds = msgspec.msgpack.decode(Path(options.here).read_bytes(), type=list[list[bytes]])
        listen(rounds, msgspec.json.decode(options.load, type=Load))
        return
    for cost in compare(options.before, options.workers, options.queues):
        print(f"{cost.part}: {cost.before:,.0f}, then {cost.now:,.0f}: {cost.now / cost.before:.3f}")


def compare(before: str = BEFORE, workers: int = 1000, queues: int = 10) -> list[Cost]:
    """Return the cost of each part in both versions. Raises FileNotFoundError without valgrind."""
    from benchmarks.hot_paths import unpack
    from benchmarks.synthetic import Fleet, Plan
    from celery_gossip.wire.encoding import encode

    encoded = (encode(gossip) for _, gossip in Fleet(Plan(workers=workers, queues=queues)).schedule())
    with tempfile.TemporaryDirectory() as folder:
        unpack(before, folder, ["celery_gossip"])  # without its benchmarks: those of this version run
        messages = Path(folder) / "messages"
        messages.write_bytes(msgspec.msgpack.encode([list(islice(encoded, workers)) for _ in range(ROUNDS)]))
        old, new = (costs(tree, messages, workers) for tree in (folder, str(REPOSITORY)))
    return [Cost(part, old[part], new[part]) for part in old]


def costs(tree: str, messages: Path, workers: int) -> dict[str, float]:
    """Return `{part: instructions}` of the package in this folder."""

    def count(rounds: int, **added: bool) -> int:
        return count_listener(tree, messages, Load(rounds, **added))

    nothing, first, warm, plain = (count(rounds) for rounds in (0, 1, _WARM, ROUNDS))
    every = {"has_review": True, "has_backlogs": True}
    return {
        "first message of a worker": (first - nothing) / workers,
        "later message": (plain - warm) / (ROUNDS - _WARM) / workers,
        "review with its view, once per second": (count(ROUNDS, has_review=True) - plain) / ROUNDS,
        "choosing the queue lengths to read, per second": (count(ROUNDS, has_backlogs=True) - plain) / ROUNDS,
        "one more view": (count(ROUNDS, has_view=True) - plain) / ROUNDS,
        "one second of listening, in total": (count(ROUNDS, **every) - count(_WARM, **every)) / (ROUNDS - _WARM),
    }


def count_listener(tree: str, messages: Path, load: Load) -> int:
    """Return the instructions of a listener's process with this load, including its start."""
    code = f"sys.path.insert(1, {str(REPOSITORY)!r}); from benchmarks.instructions import main; main()"
    return count_instructions(tree, code, "--here", str(messages), "--load", msgspec.json.encode(load).decode())[0]


def listen(rounds: list[list[bytes]], load: Load) -> Listener:
    """Give these messages, spread evenly over each second, to a listener that is never started; return it."""
    clock = Clock()
    listener: Any = Listener(Celery("bottle", broker="memory://here", set_as_current=False), GossipOptions(), clock)
    steps: Any = Steps(listener, clock) if hasattr(listener, "_loop") else StepsBefore(listener, clock)
    for bodies in rounds[: load.rounds]:
        reads = [bodies[at : at + _MESSAGES_PER_READ] for at in range(0, len(bodies), _MESSAGES_PER_READ)]
        for number, read in enumerate(reads):
            clock.now += 1 / len(reads)
            steps.iterate()
            if load.has_backlogs and number % max(1, len(reads) // _QUEUE_LENGTH_READS) == 0:
                steps.read_backlogs()
            if load.has_review:
                steps.review()
            steps.handle([Message(body) for body in read])
        if load.has_view:
            listener.view()
    assert not listener.rejected, listener.rejected
    return listener


class Steps:
    """The steps of a listener's threads, called one at a time."""

    def __init__(self, listener: Any, clock: Clock) -> None:
        self._listener, self._clock, self._loop = listener, clock, listener._loop
        self._loop.isolation.connection_opened(clock.now)
        self._loop.isolation.publishing_denied(clock.now)  # no pings: nothing publishes here
        listener._cluster.statistics.start(clock.now)
        self._loop._throttle.begin_window(clock.now)
        queue_lengths = listener._queue_lengths
        reader = sys.modules[type(queue_lengths).__module__].QueueLengthReader(listener.app, clock)
        self.read_backlogs = lambda: queue_lengths._read(reader)

    def iterate(self) -> None:
        self._loop.isolation.loop_iteration(self._clock.now, 1.0)

    def review(self) -> None:
        self._loop._run_checks(self._listener._checks)

    def handle(self, messages: list[Message]) -> None:
        for message in self._loop._throttle.admit(messages, self._clock.now):
            self._loop._handle(message, self._listener._handler)


class StepsBefore:
    """The same steps of an older listener, before its thread was divided into a loop, a handler and checks."""

    def __init__(self, listener: Any, clock: Clock) -> None:
        self._listener, self._clock = listener, clock
        listener._hearing.connect(clock.now)
        listener._hearing.refuse(clock.now)
        listener.cluster.begin(clock.now)
        listener._gate.begin(clock.now)
        watch = listener._backlogs
        reader = sys.modules[type(watch).__module__].BacklogReader(listener.app, clock)
        parameter_count = len(inspect.signature(watch._look).parameters)
        self.read_backlogs = lambda: watch._look(*(reader, ())[:parameter_count])

    def iterate(self) -> None:
        self._listener._hearing.look(self._clock.now, 1.0)

    def review(self) -> None:
        self._listener._attend(self._clock.now)

    def handle(self, messages: list[Message]) -> None:
        for message in self._listener._gate.sift(messages, self._clock.now):
            self._listener._take(message)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.instructions", description="Instructions of a listener for an honest fleet"
    )
    parser.add_argument("--before", default=BEFORE, metavar="COMMIT")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--queues", type=int, default=10)
    parser.add_argument("--here", metavar="FILE", help="count only the imported package, with these messages")
    parser.add_argument("--load", help="Load as JSON, with --here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
