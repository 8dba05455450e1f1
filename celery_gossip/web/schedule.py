"""Schedule: the rows of beat processes and of the entries of their schedules, built from snapshots. Pure."""

from collections.abc import Iterable

from celery_gossip.cluster.beat_view import BeatView
from celery_gossip.cluster.beat_view import Send as SendView
from celery_gossip.cluster.schedule import ScheduledEntry, schedule_of
from celery_gossip.web.schema import Beat, Entry, Send
from celery_gossip.web.snapshot import Snapshot

__all__ = ["beats", "entries"]

_LATE_AFTER, _LATE_GRACE = 2.0, 0.5  #: intervals, and seconds added, after which the time of the last report is shown


def beats(snapshots: Iterable[Snapshot]) -> dict[str, Beat]:
    """Return `{source/hostname/app: row}`."""
    return {
        f"{snapshot.source}/{view.hostname}/{view.app}": _beat(snapshot, view)
        for snapshot in snapshots
        for view in snapshot.view.beats
    }


def entries(snapshots: Iterable[Snapshot]) -> dict[str, Entry]:
    """Return `{source/hostname/app/name: row}`, those with problems first, then those due next."""
    return {
        f"{snapshot.source}/{one.beat.hostname}/{one.beat.app}/{one.entry.name}": _entry(snapshot, one)
        for snapshot in snapshots
        for one in schedule_of(snapshot.view)
    }


def _beat(snapshot: Snapshot, view: BeatView) -> Beat:
    report, now = view.report, snapshot.view.taken_at
    sent = [entry.sent_at for entry in view.entries if entry.sent_at is not None]
    due_in = None if view.is_gone or view.is_standby else view.next_due_in(now)
    return Beat(
        source=snapshot.source,
        hostname=view.hostname,
        app=view.app,
        state=view.state,
        state_since=snapshot.unix(view.state_since),
        silent_since=snapshot.unix(view.heard_at) if view.age > _LATE_AFTER * report.interval + _LATE_GRACE else None,
        stalled_for=round(report.stalled_for, 1),
        started_at=_second(snapshot, view.heard_at - report.uptime),
        scheduler=report.scheduler,
        is_standby=view.is_standby,
        is_embedded=view.is_embedded,
        instances=sum(one.state == "online" for one in view.instances),
        entries=report.entry_count,
        is_partial=report.is_partial,
        due_at=None if due_in is None else _second(snapshot, now + due_in),
        sent_at=_second(snapshot, max(sent)) if sent and not view.is_standby else None,
        sends=report.sends,
        errors=report.errors,
        is_verified=view.is_verified,
    )


def _entry(snapshot: Snapshot, one: ScheduledEntry) -> Entry:
    view, entry = one.entry, one.entry.entry
    return Entry(
        source=snapshot.source,
        app=one.beat.app,
        hostname=one.beat.hostname,
        name=entry.name,
        task=entry.task,
        schedule=entry.schedule,
        queue=entry.queue,
        state=one.state,
        due_at=None if view.due_at is None else _second(snapshot, view.due_at),
        sent_at=None if view.sent_at is None else _second(snapshot, view.sent_at),
        late=None if entry.late is None else round(entry.late, 2),
        sends=entry.sends,
        runs=entry.runs,
        errors=entry.errors,
        error=entry.error,
        history=tuple([_send(snapshot, send) for send in view.history]),
    )


def _send(snapshot: Snapshot, send: SendView) -> Send:
    return Send(
        at=snapshot.unix(send.at),
        sends=send.sends,
        errors=send.errors,
        error=send.error,
        late=None if send.late is None else round(send.late, 2),
    )


def _second(snapshot: Snapshot, at: float) -> float:
    """Return whole Unix seconds: each report gives a slightly different time, because messages take different times."""
    return float(round(snapshot.unix(at)))
