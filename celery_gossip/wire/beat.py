"""The report of a beat process: its schedule, and when it has sent what. Pure.

Read by messages.py, which re-exports it. On the wire it is an Echo with more fields: a listener that does not know them
takes it for the ping of another listener, and ignores it without counting a rejection. All times are ages and
durations, so that no clock has to agree.
"""

from typing import Annotated, Literal

import msgspec

from celery_gossip.wire.limits import MAX_INTERVAL, MAX_NAME, Count, Name, Seconds, SignedSeconds

__all__ = [
    "DEFAULT_ENTRY",
    "MAX_BEAT_ENTRIES",
    "NEAREST_ENTRIES",
    "Beat",
    "BeatEntry",
    "BeatReportState",
    "is_printable",
]

DEFAULT_ENTRY = "celery.backend_cleanup"  #: name of an entry that Celery adds to every schedule
NEAREST_ENTRIES = 50  #: entries of a report that are nearest to due
MAX_BEAT_ENTRIES = 64  #: entries of a report: with others that were sent lately, and one in rotation

#: State of a beat process as it reports it.
BeatReportState = Literal["online", "offline"]
_Id = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]
_OptionalId = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{16})?\Z")]


class BeatEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry of the schedule: an array on the wire, with the fields in this order."""

    name: Name
    task: Name
    schedule: Name = ""  #: in words; empty if unknown
    queue: Name = ""  #: queue that the entry itself names; empty if it names none
    #: Seconds until it is due; negative if it is overdue; None if unknown.
    due: SignedSeconds | None = None
    #: Seconds since it was sent last, by this process or before it started; None if it was never sent, or unknown.
    sent_age: Seconds | None = None
    sends: Count = 0  #: times that this process has sent it
    runs: Count = 0  #: times that it was sent in all, as the scheduler counts; includes attempts that failed
    errors: Count = 0  #: times that this process could not send it
    error: Name = ""  #: class of the latest of these errors
    error_age: Seconds | None = None  #: seconds since that error; None without one
    late: Seconds | None = None  #: seconds by which the latest send was late; None if unknown
    period: Seconds | None = None  #: seconds between two sends, of an entry with a fixed interval; None of others


class Beat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="beat", tag=1):
    """Report of one beat process: `celery beat`, or one that is embedded in a worker."""

    boot: _Id = msgspec.field(name="echo")  #: instance id, new at every start
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)] = msgspec.field(name="number")  #: number of the report, from 1
    app: Name  #: name of the Celery app
    hostname: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]  #: node name, as in `celerybeat@web1`
    interval: Annotated[float, msgspec.Meta(gt=0, le=MAX_INTERVAL)]  #: seconds between two reports
    state: BeatReportState
    uptime: Seconds  #: seconds since the start of the process's scheduler
    # The following fields are absent on the wire when 0, empty or None.
    stalled_for: Seconds = 0.0  #: seconds for which the next tick is overdue, or the present one takes too long
    tick_age: Seconds | None = None  #: seconds since the end of the latest tick; None before the first
    scheduler: Name = ""  #: `module:Class`
    #: Identity of the schedule: a digest of the names and tasks of its entries, without DEFAULT_ENTRY. Of a partial
    #: schedule, of the entries in `beat_schedule`. Empty if unknown.
    digest: _OptionalId = ""
    #: True while it holds the lock of its scheduler, False while it waits for it; None for a scheduler without a lock.
    holds_lock: bool | None = None
    worker: Name = ""  #: hostname of the worker that it is embedded in (`worker -B`); empty for a process of its own
    worker_boot: _OptionalId = ""  #: instance id of that worker; empty if unknown
    entry_count: Count = 0  #: entries that the process knows
    is_partial: bool = False  #: the schedule may have entries that the process does not know
    sends: Count = 0  #: times that this process has sent any entry
    errors: Count = 0  #: times that this process could not send one
    #: Those nearest to due first, then those that were sent lately, then one of the others in rotation.
    entries: Annotated[tuple[BeatEntry, ...], msgspec.Meta(max_length=MAX_BEAT_ENTRIES)] = ()


def is_printable(beat: Beat) -> bool:
    """Return True if no text contains control characters."""
    texts = [beat.app, beat.hostname, beat.scheduler, beat.worker]
    for entry in beat.entries:
        texts += (entry.name, entry.task, entry.schedule, entry.queue, entry.error)
    return "".join(texts).isprintable()
