"""Rules about beat processes: none runs, two run, one does not tick. Pure. Called through rules.py.

The rules about single entries of a schedule are in entry_rules.py.
"""

from collections.abc import Iterator

from celery_gossip.cluster.beat_view import BeatView
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, RuleInput
from celery_gossip.units import format_duration, join_names
from celery_gossip.wire.beat import DEFAULT_ENTRY
from celery_gossip.wire.messages import Beat

__all__ = ["beat_stalled", "no_beat", "two_beats"]

_UNSEEN_AFTER = 60.0  #: seconds of listening without any beat process, for an app with a schedule
_LOST_FOR = 30.0  #: seconds; longer than a supervisor takes to start another one
_OFFLINE_FOR = 60.0  #: seconds; longer than a deployment takes between one process and the next
_TWO_FOR = 60.0  #: seconds; longer than the processes of a rolling deployment overlap
_MIN_STALL, _STALLED_INTERVALS = 10.0, 5.0  #: seconds, and intervals, for which a tick is overdue
_MAX_ENTRIES = 3  #: entries named in one text
_MAX_HOSTNAMES = 5
_RUNNING = frozenset({"online", "conflict"})
_CHECK_HOST = (
    "Start it again, and see its log: it was killed (out of memory, `kill -9`), it crashed, or its network is down."
)
_FREE_LOCK = (
    "Delete the lock if its owner does not run any more, and set redbeat_lock_timeout to the seconds for which the "
    "schedule may stand still."
)


def no_beat(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report schedules that no beat process runs any more, and an app with a schedule of which no beat reports."""
    beats = inputs.view.beats
    if not beats:
        if inputs.app_entries and inputs.listening_for >= _UNSEEN_AFTER:
            yield PendingFinding("no_beat", WARNING, "listener", _unseen_text(inputs))
        return
    live = [beat for beat in beats if not beat.is_gone]
    gone = sorted((beat for beat in beats if beat.is_gone), key=lambda beat: -beat.heard_at)
    reported: list[BeatView] = []
    for beat in gone:
        if any(_runs_schedule_of(other, beat) for other in (*live, *reported) if not other.is_standby):
            continue
        if beat.is_standby:  # it sent nothing
            continue
        standby = next((one for one in live if one.is_standby and _runs_schedule_of(one, beat)), None)
        for_seconds = _LOST_FOR if beat.state == "lost" else _OFFLINE_FOR
        text = _gone_text(beat, standby, inputs.view.taken_at)
        yield PendingFinding("no_beat", CRITICAL, beat.hostname, text, for_seconds, reset_key=beat.state)
        reported.append(beat)


def two_beats(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report beat processes that send the same schedule."""
    senders: dict[tuple[str, str], list[tuple[BeatView, Beat]]] = {}
    for beat in inputs.view.beats:
        if beat.state in _RUNNING:
            for report in beat.instances if beat.state == "conflict" else (beat.report,):
                if report.digest and report.holds_lock is not False and report.state == "online":
                    senders.setdefault((report.app, report.digest), []).append((beat, report))
    for (app, _), found in senders.items():
        if len(found) > 1:
            subject = min(report.hostname for _, report in found)
            yield PendingFinding("two_beats", CRITICAL, subject, _two_text(app, found), _TWO_FOR)


def beat_stalled(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report beat processes that report, but do not tick."""
    for beat in inputs.view.beats:
        report = beat.report
        least = max(_MIN_STALL, _STALLED_INTERVALS * report.interval)
        if beat.state != "stalled" or report.stalled_for < least or beat.is_standby:
            continue
        text = (
            f"{beat.hostname} reports, but its scheduler has not ticked in time for "
            f"{format_duration(report.stalled_for)}: it sends none of its {_entries(report.entry_count)}. Something "
            "blocks it, such as a database, a broker or a lock that does not answer. Find the call with "
            "`py-spy dump`, or restart the process, and give the connection a time-out."
        )
        yield PendingFinding("beat_stalled", CRITICAL, beat.hostname, text)


def _runs_schedule_of(other: BeatView, gone: BeatView) -> bool:
    """Return True if this process runs the schedule of the one that is gone, or has taken its place."""
    if other.app != gone.app or other is gone:
        return False
    if gone.report.digest and other.report.digest == gone.report.digest:
        return True
    if not other.is_gone and other.heard_at - other.report.uptime >= gone.heard_at - _TWO_FOR:
        return True  # started when the other one ended: its schedule is the next version
    names = {entry.name for entry in other.entries if entry.name != DEFAULT_ENTRY}
    return any(entry.name in names for entry in gone.entries)


def _unseen_text(inputs: RuleInput) -> str:
    return (
        f"The settings of the app have a beat_schedule with {_entries(inputs.app_entries)}, but no beat reports on "
        f"{inputs.source}. Either no `celery beat` runs, and nothing is sent, or it runs without gossip: update and "
        "restart it. Mute this finding if another app sends the schedule."
    )


def _gone_text(beat: BeatView, standby: BeatView | None, now: float) -> str:
    silent = format_duration(max(0.0, now - beat.heard_at))
    end = "was shut down" if beat.state == "offline" else "stopped reporting without shutting down"
    text = (
        f"{beat.hostname}, which sent {_entries(beat.report.entry_count)}{_named(beat)}, {end} {silent} ago, and no "
        "other beat that reports sends them."
    )
    if standby is not None:
        return f"{text} {standby.hostname} waits for the lock of the scheduler, which is still held. {_FREE_LOCK}"
    if beat.state == "offline":
        return f"{text} Start a beat, or mute this finding if the schedule is no longer wanted."
    return f"{text} {_CHECK_HOST}"


def _two_text(app: str, found: list[tuple[BeatView, Beat]]) -> str:
    beat, report = found[0]
    hostnames = sorted({one.hostname for _, one in found})
    where = join_names(hostnames, _MAX_HOSTNAMES)
    if len(hostnames) == 1:
        where = f"all with the hostname {where}"
    return (
        f"{len(found)} running beats of the app {app!r} send the same schedule of {_entries(report.entry_count)}"
        f"{_named(beat)}: {where}. Each task is sent {len(found)} times. Stop all but one (`worker -B` counts, too), "
        "or use a scheduler with a lock, such as redbeat."
    )


def _named(beat: BeatView) -> str:
    names = [repr(entry.name) for entry in beat.entries]
    total = max(len(names), beat.report.entry_count)
    return f" ({join_names(names, _MAX_ENTRIES, total)})" if names else ""


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"
