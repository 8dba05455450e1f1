"""Plans of random workloads: a seed, a pool and a size give the same steps every time. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["POOLS", "Canvas", "Control", "Disturbance", "Malformed", "Plan", "Revocation", "Send", "build"]

POOLS = ("prefork", "threads", "solo", "gevent", "eventlet")
_GREEN = ("gevent", "eventlet")
_CONCURRENT = ("prefork", "threads", *_GREEN)
_KILLABLE = ("prefork", *_GREEN)


@dataclass(frozen=True)
class _Kind:
    """How often a task is drawn, how many runs it means, how long it may take, and in which pools it is tried."""

    weight: float
    runs: int = 1
    seconds: float = 0.02
    pools: tuple[str, ...] = POOLS
    options: tuple[tuple[str, Any], ...] = ()


#: By the name of the task in tests.workload.tasks.
_KINDS = {
    "succeed": _Kind(9),
    "succeed_late": _Kind(4),
    "mishap": _Kind(2),
    "divide": _Kind(2),
    "own_init": _Kind(1),
    "own_init_late": _Kind(1),
    "unpicklable": _Kind(1),
    "local_class": _Kind(1),
    "nested": _Kind(1),
    "fail_late": _Kind(1),
    "fail_rejecting": _Kind(1),
    "retry_now": _Kind(2, 2),
    "retry_soon": _Kind(1, 2),
    "retry_late": _Kind(1, 2),
    "retry_out": _Kind(1, 3),
    "retry_exceeded": _Kind(1, 2),
    "autoretry": _Kind(1, 2),
    "reject": _Kind(2),
    "reject_early": _Kind(1),
    "reject_requeue": _Kind(1, 2),
    "ignore": _Kind(1),
    "ignore_late": _Kind(1),
    "limited": _Kind(2, seconds=0.0),
    "missing": _Kind(1),  # a name that no worker knows
    "soft_limit": _Kind(0.5, seconds=5.0, pools=("prefork",)),
    "hard_limit": _Kind(0.3, seconds=5.0, pools=("prefork", "gevent")),
    "hard_limit_late": _Kind(0.3, seconds=5.0, pools=("prefork", "gevent")),
    "hard_limit_requeue": _Kind(0.3, 2, seconds=5.0, pools=("prefork",)),
    "leave": _Kind(0.4, pools=("prefork", "threads", *_GREEN)),  # raises SystemExit
    "leave_late": _Kind(0.3, pools=("prefork",)),
    "die": _Kind(0.4, seconds=0.1, pools=("prefork",)),  # kills its process
    "die_late": _Kind(0.3, seconds=0.1, pools=("prefork",)),
    "die_requeue": _Kind(0.3, 2, seconds=0.1, pools=("prefork",)),
}
#: What runs while a worker is disturbed.
_BUSY = ("succeed", "succeed_late", "mishap", "fail_late", "reject", "ignore_late", "retry_late", "own_init_late")
_FAULTS = ("undecodable", "unknown_format", "invalid", "disallowed")
#: What may happen to a worker in a plan. A worker has its settings by its number, see tests.workload.run.
_DISTURBANCES = ("cut", "reset", "warm", "soft", "cold", "kill")


@dataclass(frozen=True)
class Send:
    """One task to send."""

    number: int
    task: str
    queue: str
    seconds: float = 0.0
    runs: int = 1
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Canvas:
    """Several tasks in a chain, group, chord, link or link_error; the last part of the latter three is the callback."""

    shape: str
    parts: tuple[Send, ...]

    @property
    def runs(self) -> int:
        return len(self.parts)


@dataclass(frozen=True)
class Malformed:
    """A message that is no task."""

    fault: str
    queue: str
    number: int
    runs: int = 1


@dataclass(frozen=True)
class Revocation:
    """Tasks that are revoked: before they are sent, by id or stamp, or terminated once they run."""

    how: str
    sends: tuple[Send, ...]

    @property
    def runs(self) -> int:
        return len(self.sends)


@dataclass(frozen=True)
class Control:
    """A control command to all workers."""

    method: str
    runs: int = 0


@dataclass(frozen=True)
class Disturbance:
    """What is done to a worker while these tasks run."""

    what: str
    worker: int
    busy: tuple[Send, ...]

    @property
    def runs(self) -> int:
        return len(self.busy)


Step = Send | Canvas | Malformed | Revocation | Control | Disturbance


@dataclass(frozen=True)
class Plan:
    """The steps of one seed."""

    seed: int
    pool: str
    steps: tuple[Step, ...]

    @property
    def runs(self) -> int:
        """Task runs that the steps mean if nothing is delivered twice."""
        return sum(step.runs for step in self.steps)


def build(seed: int, pool: str, tasks: int = 200) -> Plan:
    """Return the plan of a seed: about so many runs of tasks."""
    builder = _Builder(random.Random(f"{seed} {pool}"), pool)
    steps: list[Step] = [*builder.disturbances(), *builder.revocations(), *builder.messages(), *builder.controls()]
    steps.extend(builder.canvases())
    runs = sum(step.runs for step in steps)
    while runs < tasks:
        steps.append(builder.send())
        runs += steps[-1].runs
    builder.chance.shuffle(steps)
    return Plan(seed, pool, tuple(steps))


class _Builder:
    """Draws steps of one pool."""

    def __init__(self, chance: random.Random, pool: str) -> None:
        self.chance = chance
        self.pool = pool
        self._number = 0
        kinds = {name: kind for name, kind in _KINDS.items() if pool in kind.pools}
        self._names = list(kinds)
        self._weights = [kind.weight for kind in kinds.values()]

    def send(self) -> Send:
        """Any task, now and then with a countdown or an expiry."""
        name = self.chance.choices(self._names, self._weights)[0]
        kind, draw = _KINDS[name], self.chance.random()
        options: dict[str, Any] = dict(kind.options)
        if draw < 0.06:
            options["countdown"] = round(0.2 + self.chance.random(), 2)
        elif draw < 0.09:
            options["expires"] = -10.0
        elif draw < 0.11:
            options |= {"countdown": 0.8, "expires": 0.4}
        seconds = kind.seconds if kind.seconds >= 0.1 else kind.seconds * self.chance.random() ** 2
        return self._send(name, seconds, options)

    def disturbances(self) -> Iterator[Disturbance]:
        """One connection that breaks and one worker that ends, or two of a kind."""
        first = self.chance.choice(("cut", "reset"))
        for what in (first, self.chance.choice(_DISTURBANCES[2:])):
            worker = {"soft": 0, "cold": 1}.get(what, self.chance.randrange(2))
            yield Disturbance(what, worker, tuple(self._busy()))

    def revocations(self) -> Iterator[Revocation]:
        """Tasks that are revoked before they are sent, and in some pools while they run."""
        for how in ("id", "stamp"):
            yield Revocation(how, tuple(self._send("succeed", 0.01) for _ in range(self.chance.randint(1, 3))))
        if self.pool in _KILLABLE:
            for how in ("terminate", "terminate_stamp"):
                name = self.chance.choice(("linger", "linger_late"))
                yield Revocation(how, (self._send(name, 4.0),))

    def messages(self) -> Iterator[Malformed]:
        for fault in _FAULTS:
            for _ in range(self.chance.randint(0, 2)):
                self._number += 1
                yield Malformed(fault, self.chance.choice("ab"), self._number)

    def controls(self) -> Iterator[Control]:
        yield Control("rate_limit")
        if self.pool in _KILLABLE:
            yield Control("pool_grow")
            yield Control("pool_shrink")

    def canvases(self) -> Iterator[Canvas]:
        for shape in ("chain", "chain_failing", "group", "chord", "chord_failing", "link", "link_error"):
            for _ in range(self.chance.randint(1, 2)):
                parts = [self._send("succeed", 0.01 * self.chance.random()) for _ in range(self.chance.randint(2, 4))]
                if shape in ("chain_failing", "chord_failing"):
                    parts[0] = self._send("mishap", 0.01)
                if shape == "link_error":
                    parts = [self._send("mishap", 0.01), self._send("errback", 0.0)]
                yield Canvas(shape, tuple(parts))

    def _busy(self) -> Iterator[Send]:
        """Tasks that are still running when the worker is disturbed; a solo pool runs one after another."""
        count, longest = (4, 0.4) if self.pool == "solo" else (8, 1.2)
        for _ in range(count):
            yield self._send(self.chance.choice(_BUSY), 0.2 + (longest - 0.2) * self.chance.random())

    def _send(self, task: str, seconds: float, options: dict[str, Any] | None = None) -> Send:
        self._number += 1
        runs = _KINDS[task].runs if task in _KINDS else 1
        queue = self.chance.choice("ab")
        return Send(self._number, task, queue, round(seconds, 4), runs, tuple(sorted((options or {}).items())))
