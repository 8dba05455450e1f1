"""Matrix: which worker serves which queue, by worker, by host, or by set of queues. Pure; called on any thread."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from celery_gossip.cluster.view import GONE, STARTS_TASKS, View, WorkerView
from celery_gossip.web.schema import MatrixQueue, MatrixRow
from celery_gossip.web.snapshot import Snapshot

__all__ = ["GROUPINGS", "Grouping", "matrix_queues", "matrix_rows"]

Grouping = Literal["queues", "host", "worker"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
_MIN_PREFIX = 3  #: characters that hostnames must have in common for a name like "celery@web*"
_MAX_HOSTNAMES = 20  #: named in a row


@dataclass
class _Cell:
    """One queue in a group of workers."""

    workers: int = 0
    paused: int = 0
    slots: int = 0
    active: int = 0
    reserved: int = 0

    def values(self) -> tuple[int, int, int, int, int]:
        return self.workers, self.paused, self.slots, self.active, self.reserved


@dataclass
class _Group:
    """Workers of one row."""

    queue_set: str
    hostnames: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    slots: int = 0
    active: int = 0
    reserved: int = 0
    lag: float = 0.0
    memory_share: float | None = None
    cells: dict[str, _Cell] = field(default_factory=dict)

    def add(self, worker: WorkerView) -> None:
        self.hostnames.append(worker.hostname)
        self.states[worker.state] += 1
        is_live = worker.state not in GONE
        for name in worker.queues:
            self.cells.setdefault(name, _Cell())
        if not is_live:
            return
        share = _memory_share(worker)
        if share is not None:
            self.memory_share = max(share, self.memory_share or 0.0)
        self.lag = max(self.lag, worker.gossip.loop_lag, worker.gossip.stalled_for)
        starts_tasks = worker.state in STARTS_TASKS
        for gossip in worker.gossips:
            slots = gossip.concurrency if starts_tasks else 0
            self.slots += slots
            self.active += gossip.active
            self.reserved += gossip.reserved
            for check in gossip.checks:
                cell = self.cells.setdefault(check.queue, _Cell())
                cell.workers += 1
                cell.paused += check.paused
                cell.slots += 0 if check.paused else slots
                cell.active += check.active_count
                cell.reserved += check.reserved

    def row(self, source: str, key: str, name: str) -> MatrixRow:
        return MatrixRow(
            source=source,
            key=key,
            name=name,
            hostname=self.hostnames[0] if len(self.hostnames) == 1 else "",
            hostnames=tuple(self.hostnames[:_MAX_HOSTNAMES]),
            queue_set=self.queue_set,
            workers=sum(self.states.values()),
            states=dict(self.states),
            slots=self.slots,
            active=self.active,
            reserved=self.reserved,
            lag=round(self.lag, 2),
            memory_share=None if self.memory_share is None else round(self.memory_share, 2),
            queues=tuple(self.cells),
            cells=tuple([cell.values() for cell in self.cells.values()]),
        )


def matrix_rows(snapshots: Iterable[Snapshot], grouping: Grouping) -> dict[str, MatrixRow]:
    """Return `{source/key: row}`: one row for each worker, each host, or each set of queues that workers serve."""
    key_of, name_of = _KEYS[grouping], _NAMES[grouping]
    rows: dict[str, MatrixRow] = {}
    for snapshot in snapshots:
        groups: dict[str, _Group] = {}
        digests: dict[tuple[str, ...], str] = {}
        for worker in snapshot.view.workers:
            queues = tuple(sorted(worker.queues))
            queue_set = digests.get(queues)
            if queue_set is None:
                queue_set = digests[queues] = _digest(queues)
            groups.setdefault(key_of(worker, queue_set), _Group(queue_set)).add(worker)
        source = snapshot.source
        rows.update((f"{source}/{key}", group.row(source, key, name_of(key, group))) for key, group in groups.items())
    return rows


def matrix_queues(snapshots: Iterable[Snapshot]) -> dict[str, MatrixQueue]:
    """Return `{source/queue: column}`, also of queues that only workers served that are gone."""
    return {
        f"{snapshot.source}/{name}": column for snapshot in snapshots for name, column in _columns(snapshot).items()
    }


def _columns(snapshot: Snapshot) -> Mapping[str, MatrixQueue]:
    columns = {
        view.queue: MatrixQueue(
            source=snapshot.source,
            name=view.queue,
            workers=view.workers,
            paused=view.paused,
            slots=view.slots,
            free_slots=view.free_slots,
            active=view.active,
            reserved=view.reserved,
            backlog=view.backlog,
        )
        for view in snapshot.view.queues
    }
    for name in _abandoned(snapshot.view):
        if name not in columns:
            columns[name] = MatrixQueue(
                source=snapshot.source,
                name=name,
                workers=0,
                paused="no",
                slots=0,
                free_slots=0,
                active=0,
                reserved=0,
                backlog=None,
            )
    return columns


def _abandoned(view: View) -> Iterable[str]:
    return dict.fromkeys(name for worker in view.workers if worker.is_gone for name in worker.queues)


def _memory_share(worker: WorkerView) -> float | None:
    """Return the share of the memory limit that is used; None without a limit, or if it is not known."""
    resources = worker.resources
    if resources is None or not resources.memory_limit or resources.memory_used is None:
        return None
    return min(resources.memory_used / resources.memory_limit, 10.0)


def _digest(queues: tuple[str, ...]) -> str:
    """Return a short name of a set of queues for addresses; names are printable, so none contains the separator."""
    return hashlib.blake2s("\n".join(queues).encode("utf-8", "replace"), digest_size=6).hexdigest()


def _host_of(hostname: str) -> str:
    """Return the part behind the first `@`: the machine, as far as the node name has it."""
    return hostname.partition("@")[2] or hostname


def _common_name(key: str, group: _Group) -> str:
    if len(group.hostnames) == 1:
        return group.hostnames[0]
    prefix = _common_prefix(min(group.hostnames), max(group.hostnames))
    return f"{prefix}*" if len(prefix) >= _MIN_PREFIX else f"{group.hostnames[0]} and {len(group.hostnames) - 1} more"


def _common_prefix(first: str, last: str) -> str:
    """Return what two texts begin with, and therefore all texts that are between them in order."""
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length]


_KEYS: Mapping[str, Callable[[WorkerView, str], str]] = {
    "queues": lambda worker, queue_set: queue_set,
    "host": lambda worker, queue_set: _host_of(worker.hostname),
    "worker": lambda worker, queue_set: worker.hostname,
}
_NAMES: Mapping[str, Callable[[str, _Group], str]] = {
    "queues": _common_name,
    "host": lambda key, group: key,
    "worker": lambda key, group: key,
}
