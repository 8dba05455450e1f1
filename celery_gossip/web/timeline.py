"""Timeline: starts of workers, new releases, and the times without reports, as marks for charts. Bounded.

A Sampler updates it on its thread. Its results are immutable and may be read on any thread.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.wire.messages import Software

__all__ = ["MAX_EVENTS", "Event", "Marked", "Timeline", "group_events"]

MAX_EVENTS = 1_000  #: starts that are remembered
MAX_SECONDS = 10_800.0  #: seconds for which they are
_MAX_OUTAGES = 100
_MAX_QUEUES = 50  #: of one worker that are remembered with its start
_FIRST_REPORTS = 3  #: of a new worker that may have arrived before they were expected
_TOGETHER = 60.0  #: seconds between two starts that are shown as one mark
_MAX_HOSTNAMES = 5  #: of one mark

Kind = Literal["start", "restart", "deploy", "outage"]


@dataclass(frozen=True)
class Event:
    """The start of an instance of a worker."""

    at: float  #: monotonic seconds
    hostname: str
    boot: str
    release: str = ""  #: empty as long as it is not known
    previous: str = ""  #: release of the instance before; empty if unknown
    is_restart: bool = False  #: its hostname was known
    is_deploy: bool = False  #: its release is another one than before
    queues: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        if self.is_deploy:
            return "deploy"
        return "restart" if self.is_restart else "start"


@dataclass(frozen=True)
class Marked:
    """Events of one kind that follow each other closely, or a time without reports."""

    kind: Kind
    at: float  #: monotonic seconds of the first one
    until: float | None  #: of the last one; None: it continues
    count: int = 1
    release: str = ""
    previous: str = ""  #: empty if they differ
    hostnames: tuple[str, ...] = field(default=())


class _Known(NamedTuple):
    boot: str
    software: Software | None

    @property
    def release(self) -> str:
        return "" if self.software is None else self.software.release


class Timeline:
    """Events of one source, oldest first."""

    def __init__(self) -> None:
        self.events: tuple[Event, ...] = ()  #: replaced, never changed in place
        self.outages: tuple[Marked, ...] = ()  #: the same
        self._known: dict[str, _Known] = {}
        self._releases: frozenset[str] = frozenset()  #: of the workers that were live at the latest change
        self._updated_at: float | None = None  #: None before the first view, and while the listener is isolated

    def update(self, view: View, now: float) -> None:
        """Compare this view with the one before. Takes some 0.3 ms for 1,000 workers without a change."""
        self._update_outages(view, now)
        if view.isolated_since is not None:
            self._updated_at = None
            return
        known = self._known.get
        changed = [
            worker
            for worker in view.workers
            if (before := known(worker.gossip.hostname)) is None
            or before.boot != worker.gossip.boot
            or before.software is not worker.software
        ]
        if changed:
            self._apply(changed, view, now)
        if len(self._known) > len(view.workers):
            hostnames = {worker.gossip.hostname for worker in view.workers}
            self._known = {hostname: one for hostname, one in self._known.items() if hostname in hostnames}
        self._updated_at = now

    def _apply(self, changed: list[WorkerView], view: View, now: float) -> None:
        """Record the starts among these workers, and complete those whose release has become known."""
        started: list[Event] = []
        named: dict[tuple[str, str], str] = {}
        for worker in changed:
            gossip, known = worker.gossip, self._known.get(worker.gossip.hostname)
            if known is not None and worker.state == "conflict":  # two instances report by turns
                continue
            self._known[gossip.hostname] = _Known(gossip.boot, worker.software)
            if known is not None and known.boot == gossip.boot:
                named[gossip.hostname, gossip.boot] = worker.release
            elif self._has_started(worker, known, now):
                started.append(self._started(worker, known, now))
        new = {event.hostname for event in started} | {hostname for hostname, _ in named}
        others = _live_releases(worker for worker in view.workers if worker.gossip.hostname not in new)
        self._store(started, named, others or self._releases, now)
        self._releases = _live_releases(view.workers) or self._releases

    def _has_started(self, worker: WorkerView, before: _Known | None, now: float) -> bool:
        """Return True if this instance has started since the latest update, or replaced one; False if it has ended."""
        if worker.is_gone:
            return False
        return before is not None or (
            self._updated_at is not None
            and (worker.gossip.seq - _FIRST_REPORTS) * worker.gossip.interval <= now - self._updated_at
        )

    def _started(self, worker: WorkerView, before: _Known | None, now: float) -> Event:
        """Return the start of this instance. Reports are numbered: the first one was sent at its start."""
        gossip = worker.gossip
        at = worker.heard_at - (gossip.seq - 1) * gossip.interval
        return Event(
            max(min(at, now), self._updated_at or 0.0),
            gossip.hostname,
            gossip.boot,
            worker.release,
            "" if before is None else before.release,
            is_restart=before is not None,
            queues=tuple([check.queue for check in gossip.checks[:_MAX_QUEUES]]),
        )

    def _store(
        self, started: list[Event], named: Mapping[tuple[str, str], str], releases: frozenset[str], now: float
    ) -> None:
        """Append these starts; complete former ones with their release."""
        events = [
            replace(event, release=event.release or named.get((event.hostname, event.boot), ""))
            for event in (*self.events, *sorted(started, key=lambda event: event.at))
            if event.at > now - MAX_SECONDS
        ]
        fresh = {(event.hostname, event.boot) for event in started} | named.keys()
        self.events = tuple(
            [_with_deployment(one, releases) if (one.hostname, one.boot) in fresh else one for one in events]
        )[-MAX_EVENTS:]

    def _update_outages(self, view: View, now: float) -> None:
        since, latest = view.isolated_since, self.outages[-1] if self.outages else None
        if since is not None and (latest is None or latest.until is not None):
            self.outages = (*self.outages, Marked("outage", since, None))[-_MAX_OUTAGES:]
        elif since is None and latest is not None and latest.until is None:
            self.outages = (*self.outages[:-1], replace(latest, until=now))


def _live_releases(workers: Iterable[WorkerView]) -> frozenset[str]:
    return frozenset(worker.release for worker in workers if worker.release and not worker.is_gone)


def _with_deployment(event: Event, releases: frozenset[str]) -> Event:
    """Return the event, as a deployment if its release differs from the one before, or from those of all others."""
    if event.previous:
        is_deploy = event.release not in ("", event.previous)
    else:
        is_deploy = bool(event.release and releases) and event.release not in releases
    return replace(event, is_deploy=event.is_deploy or is_deploy)


def group_events(events: Iterable[Event], is_selected: Callable[[Event], bool] = lambda _: True) -> list[Marked]:
    """Return restarts and deployments of the selected events, those that follow each other closely as one.

    Starts under new hostnames are no marks of their own; they count for the deployment that they belong to.
    """
    groups: list[Marked] = []
    open_ones: dict[tuple[Kind, str], int] = {}  #: `{(kind, release): index}`
    for event in events:
        if not is_selected(event):
            continue
        deployed = open_ones.get(("deploy", event.release)) if event.release else None
        key: tuple[Kind, str] = (event.kind, event.release)
        at = deployed if event.kind == "start" else open_ones.get(key)
        if at is not None and event.at - (groups[at].until or 0.0) <= _TOGETHER:
            groups[at] = _extended(groups[at], event)
        elif event.kind != "start":
            open_ones[key] = len(groups)
            hostnames = (event.hostname,)
            groups.append(Marked(event.kind, event.at, event.at, 1, event.release, event.previous, hostnames))
    return groups


def _extended(group: Marked, event: Event) -> Marked:
    return replace(
        group,
        until=event.at,
        count=group.count + 1,
        previous=group.previous if event.previous in ("", group.previous) else "",
        hostnames=(*group.hostnames, event.hostname)[:_MAX_HOSTNAMES],
    )
