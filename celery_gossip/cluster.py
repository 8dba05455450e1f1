"""Cluster: what a listener knows of the workers. A pure state machine: time is passed in, no thread, no broker.

One thread changes it (apply, expire, isolate, heal), another may note backlogs; any thread reads its snapshots, which
are immutable.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import TypeVar

from celery_gossip.compact import Total
from celery_gossip.errors import RejectedGossip
from celery_gossip.history import MOST_CELLS, History, beginning, counts_of
from celery_gossip.ledger import Ledger
from celery_gossip.member import LOST_AFTER, SUSPECT_AFTER, Member, Patience
from celery_gossip.messages import Gossip
from celery_gossip.throughput import Throughput, Trend, counted
from celery_gossip.view import GONE, QueueView, View, WorkerView, gather_queues

__all__ = ["FORGET_AFTER", "LOST_AFTER", "MAX_WINDOW", "MAX_WORKERS", "STEPS", "SUSPECT_AFTER", "Cluster", "Transition"]

FORGET_AFTER = 600.0  #: seconds after which a worker that is offline or lost leaves the view
MAX_WORKERS = 2000  #: workers kept, whatever is published; a live one is never dropped for an unknown one
MAX_WINDOW = 10_800.0  #: seconds that throughput() and series() look back, at most
STEPS = (1, 2, 5, 10, 20, 30, 60)  #: seconds of a step of series(), at least: what goes into its longer ones evenly
_BRIEF = 10.0  #: seconds of hearing, within which it matters that the first word of each worker is but a beginning
_TREND = ((15.0, 0.0), (60.0, 0.0), (660.0, 60.0))  #: seconds ago at which each window of a Trend begins and ends
_BACKLOG_HOLDS = 10.0  #: seconds after which a backlog that was not read again is unknown

_K = TypeVar("_K")


@dataclass(frozen=True)
class Transition:
    """A worker entered a state: `state` names the signal to send (`worker_<state>`)."""

    state: str
    worker: WorkerView


class Cluster:
    """The view: the latest gossip of every worker, by hostname; `boot` and `seq` order what it said.

    apply() and expire() return the transitions that they caused, in order. Bounded: MAX_WORKERS hostnames, and gone
    ones are forgotten after FORGET_AFTER seconds, the longest gone first when room is needed. `clock` gives the
    snapshots their ages; nothing is decided by it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, patience: Patience | None = None) -> None:
        self._clock = clock
        self._lock = Lock()
        self._patience = patience or Patience()
        self._members: dict[str, Member] = {}
        self._gone: dict[str, None] = {}  #: hostnames, the longest gone first
        self._backlogs: dict[str, tuple[int | None, float]] = {}
        self._isolated_since: float | None = None
        self._ledger = Ledger()
        self._histories = {by: History(most) for by, most in MOST_CELLS.items()}
        self._began_at: float | None = None

    @property
    def isolated_since(self) -> float | None:
        """Monotonic seconds since when the listener is cut off and the view is frozen; None while it hears."""
        return self._isolated_since

    @property
    def began_at(self) -> float | None:
        """Monotonic seconds since when the listener hears; None where it has not begun."""
        return self._began_at

    def apply(self, gossip: Gossip, now: float, *, is_verified: bool | None = None) -> list[Transition]:
        """Take a gossip heard at monotonic `now`. An older `seq` of the same boot changes nothing.

        While the view is isolated a gossip is late: it tells what was, not that its worker lives. One that is signed
        (`is_verified`; None where nobody can tell) ends all that was claimed under its hostname without. Raises
        RejectedGossip for one that is not, of a worker that has been heard signed.
        """
        with self._lock:
            member = self._trusted(gossip.hostname, is_verified=is_verified)
            if member is None:
                if not self._make_room(is_verified=is_verified):
                    return []
                member = self._members[gossip.hostname] = Member(gossip, now, is_verified=is_verified)
            elif not member.hear(gossip, now, is_late=self._patience.is_frozen):
                return []
            self._count(gossip, now)
            return self._judge(gossip.hostname, member, now)

    def begin(self, now: float) -> None:
        """The listener has begun to hear: what happens from now on counts. Only the first call means anything."""
        with self._lock:
            self._began_at = now if self._began_at is None else self._began_at

    def expire(self, now: float, lag: float = 0.0) -> list[Transition]:
        """Judge everybody's silence, and forget who is long gone. Nothing at all while the view is isolated.

        `lag` is by how many seconds the listener itself may be behind; every limit is that much wider until the next
        call.
        """
        with self._lock:
            if self._patience.is_frozen:
                return []
            if lag != self._patience.lag:
                self._patience = replace(self._patience, lag=lag)
            transitions = []
            for hostname, member in self._members.items():
                transitions += self._judge(hostname, member, now)
            self._forget(now)
            return transitions

    def isolate(self, now: float) -> bool:
        """The listener does not hear itself: freeze the view. False where it was frozen already."""
        with self._lock:
            if self._isolated_since is not None:
                return False
            self._isolated_since = now
            self._patience = replace(self._patience, is_frozen=True)
            return True

    def heal(self, now: float) -> bool:
        """The listener hears itself again: silence counts anew, after a grace. False where it never ceased to."""
        with self._lock:
            if self._isolated_since is None:
                return False
            self._isolated_since = None
            self._patience = replace(self._patience, is_frozen=False, healed_at=now)
            return True

    def note_backlogs(self, backlogs: Mapping[str, int | None], now: float) -> None:
        """Messages that wait on the broker, `{queue: count, or None where it cannot be told}`, read at `now`."""
        with self._lock:
            for queue, (_, at) in list(self._backlogs.items()):
                if now - at > _BACKLOG_HOLDS:
                    del self._backlogs[queue]
            self._backlogs.update({queue: (count, now) for queue, count in backlogs.items()})

    def throughput(self, by: str = "queue", window: float = 60.0) -> dict[str, Throughput]:
        """What became of the tasks of each queue, task or worker in the latest seconds, `{name: Throughput}`.

        `by` is "queue", "task", "worker", or "fleet" for all together, whose name is ""; `window` is in seconds, three
        hours at most. Only who had any is named; the queue "" stands for those that could not be told. Raises
        ValueError for another `by` or a bad window.
        """
        _check(by, window)
        now = self._clock()
        with self._lock:
            since, seconds = self._span(now, window)
            tallies = self._histories[by].window(since)
        return {name: tally.throughput(seconds, since) for name, tally in tallies.items()}

    def counts(self, by: str = "worker", window: float = 60.0) -> dict[str, Throughput]:
        """The same without what failed how and how long it took: a fifth of the work, for a fleet's workers."""
        _check(by, window)
        now = self._clock()
        with self._lock:
            since, seconds = self._span(now, window)
            frames = self._histories[by].copies(since)
        return {name: counted(counts, seconds, since) for name, counts in counts_of(frames).items()}

    def trends(self) -> dict[str, Trend]:
        """How the tasks of each queue have fared of late, and before."""
        now = self._clock()
        windows = []
        with self._lock:
            for earliest, latest in _TREND:
                since = beginning(now, earliest)
                tallies = self._histories["queue"].window(since, until=now - latest)
                windows.append({name: tally.throughput(now - latest - since, since) for name, tally in tallies.items()})
        latest_ones, recent, before = windows
        nothing = Throughput(seconds=0.0)
        return {
            name: Trend(latest_ones.get(name, nothing), one, before.get(name, nothing)) for name, one in recent.items()
        }

    def series(self, by: str, name: str, window: float = 120.0, least: float = 1.0) -> tuple[Throughput, ...]:
        """The same over time for one queue, task or worker, oldest first: a step for each frame in which it had any.

        Steps are of one second for the latest two minutes, then of ten seconds for ten minutes, then of a minute for
        three hours, and none of fewer than `least` seconds; their `since` tells which are missing. With a `least` of 10
        (of 60) all steps of ten minutes (of three hours) are alike, so that their percentiles can be compared. Raises
        ValueError like throughput(), and for a `least` that is not one of STEPS or is longer than the window.
        """
        _check(by, window)
        if least not in STEPS or least > max(window, 1.0):
            raise ValueError(f"least: expected one of {STEPS}, and no more seconds than the window, got {least!r}")
        now = self._clock()
        with self._lock:  # the latest step is still being added to
            began_at = now if self._began_at is None else self._began_at
            steps = self._histories[by].steps(name, beginning(now, window, least), least)
            return tuple(
                tally.throughput(max(min(start + size, now) - max(start, began_at), 0.0), start)
                for start, size, tally in steps
            )

    def totals(self) -> dict[tuple[str, str, str], Throughput]:
        """Everything since the listener began, `{(hostname, queue, task): Throughput}`, of workers in the view.

        They only grow, over restarts and lost messages too, until the worker leaves the view.
        """
        return self._snapshots(self._ledger.totals)

    def fleet_totals(self) -> dict[tuple[str, str], Throughput]:
        """The same by queue and task, over all workers that there have been."""
        return self._snapshots(self._ledger.fleet_totals)

    @property
    def dropped_series(self) -> int:
        """How often figures of tasks were left out, because more are told than are kept."""
        return self._ledger.dropped

    def queue_names(self) -> list[str]:
        """Every queue that a known worker serves or served, in the order in which they were heard of."""
        with self._lock:
            gossips = [gossip for member in self._members.values() for gossip in member.gossips]
        return list(dict.fromkeys(check.queue for gossip in gossips for check in gossip.checks))

    def is_verified(self, hostname: str) -> bool | None:
        """As WorkerView has it; None too for a worker that is not known."""
        member = self._members.get(hostname)
        return None if member is None else member.is_verified

    def knows(self, hostname: str) -> bool:
        """Whether this worker is in the view."""
        return hostname in self._members

    def count_live(self) -> int:
        """How many workers are neither offline nor lost."""
        with self._lock:
            return len(self._members) - len(self._gone)

    def workers(self) -> tuple[WorkerView, ...]:
        """A snapshot of every worker known, by hostname, with its age now."""
        return self._snapshot().workers

    def queues(self) -> tuple[QueueView, ...]:
        """The same facts gathered by queue, by name; workers that are offline or lost are counted as such only."""
        return self.view().queues

    def view(self) -> View:
        """Workers and queues of one moment, and whether the listener is isolated."""
        snapshot = self._snapshot()
        with self._lock:
            known = self._backlogs.items()
            backlogs = {queue: count for queue, (count, at) in known if snapshot.taken_at - at <= _BACKLOG_HOLDS}
        return replace(snapshot, queues=gather_queues(snapshot.workers, backlogs))

    def _snapshot(self) -> View:
        """The view without its queues."""
        now = self._clock()
        with self._lock:
            views = [member.view(member.state, now) for member in self._members.values()]
            isolated_since = self._isolated_since
        views.sort(key=lambda worker: worker.gossip.hostname)
        return View(tuple(views), queues=(), taken_at=now, isolated_since=isolated_since)

    def _snapshots(self, totals: Mapping[_K, Total]) -> dict[_K, Throughput]:
        with self._lock:  # not for longer than it must: there may be many, and the listener waits
            seconds = 0.0 if self._began_at is None else self._clock() - self._began_at
            copies = [(key, total.copy()) for key, total in totals.items()]
        return {key: total.throughput(seconds) for key, total in copies}

    def _count(self, gossip: Gossip, now: float) -> None:
        began_at = self._began_at = now if self._began_at is None else self._began_at
        for (hostname, queue, task), tally in self._ledger.take(gossip, now, began_at):
            for by, name in (("queue", queue), ("task", task), ("worker", hostname), ("fleet", "")):
                self._histories[by].add(name, tally, now)

    def _span(self, now: float, window: float) -> tuple[float, float]:
        """When the window begins, and how many seconds are known of it."""
        since = beginning(now, window)
        first_heard = self._ledger.first_heard
        heard = 0.0 if first_heard is None else now - first_heard
        if heard < _BRIEF:
            return since, self._ledger.heard_for(now - since)
        return since, min(now - since, heard)

    def _judge(self, hostname: str, member: Member, now: float) -> list[Transition]:
        states = member.judge(now, self._patience)
        if states:
            self._gone.pop(hostname, None)
            if member.state in GONE:
                self._gone[hostname] = None
        return [Transition(state, member.view(state, now)) for state in states]

    def _forget(self, now: float) -> None:
        for hostname in list(self._gone):
            if now - self._members[hostname].since <= FORGET_AFTER:
                return
            self._drop(hostname)

    def _trusted(self, hostname: str, *, is_verified: bool | None) -> Member | None:
        """The member of this name, if it is as trusted as who speaks now."""
        member = self._members.get(hostname)
        if member is None or bool(member.is_verified) == bool(is_verified):
            return member
        if member.is_verified:
            raise RejectedGossip("unsigned", f"{hostname!r} has been heard with a signature")
        self._ledger.take_back(hostname)
        self._histories["worker"].forget(hostname)
        self._drop(hostname)
        return None

    def _make_room(self, *, is_verified: bool | None) -> bool:
        """Who is gone makes room; for one that is signed also the longest silent stranger, and never the reverse."""
        if len(self._members) < MAX_WORKERS:
            return True
        leaver = next((name for name in self._gone if not self._members[name].is_verified), None)
        if leaver is None and is_verified:
            strangers = [name for name, member in self._members.items() if not member.is_verified]
            leaver = min(strangers, key=lambda name: self._members[name].heard_at, default=next(iter(self._gone), None))
        if leaver is not None:
            self._drop(leaver)
        return leaver is not None

    def _drop(self, hostname: str) -> None:
        self._gone.pop(hostname, None)
        del self._members[hostname]
        self._ledger.forget(hostname)


def _check(by: str, window: float) -> None:
    if by not in MOST_CELLS:
        raise ValueError(f"by: expected one of {', '.join(MOST_CELLS)}, got {by!r}")
    if not 0 < window <= MAX_WINDOW:
        raise ValueError(f"window: expected seconds above 0 and at most {MAX_WINDOW:.0f}, got {window!r}")
