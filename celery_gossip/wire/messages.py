"""Wire format, version 1: the messages, and their decoding. Encoding is in encoding.py. Pure; called on any thread.

Messages are JSON in UTF-8, at most MAX_BYTES long. Decoding is strict: a body that is not a valid message raises
RejectedGossip with one of REASONS. Unknown fields are ignored, so that a newer worker can report to an older listener.
"""

from typing import Annotated, Any, Literal

import msgspec

from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.beat import MAX_BEAT_ENTRIES, Beat, BeatEntry, BeatReportState, is_printable
from celery_gossip.wire.failures import (
    MAX_FAILURES,
    MAX_MESSAGE,
    MAX_TRACEBACK_FRAMES,
    Failures,
    TaskFailure,
    have_references_below,
)
from celery_gossip.wire.limits import (
    MAX_INTERVAL,
    MAX_NAME,
    Count,
    Name,
    Seconds,
    clamp_count,
    clamp_seconds,
    clamp_signed,
    clamp_total,
    sanitize_name,
)
from celery_gossip.wire.profile import Profile, Setting, TaskNames, has_valid_profile, profile_texts
from celery_gossip.wire.resources import PoolProcesses, Resources
from celery_gossip.wire.sent import MAX_SENT_COUNTS, SentCount, SentReport
from celery_gossip.wire.software import (
    MAX_HELD,
    MAX_RELEASE,
    MAX_VERSION,
    HeldMessage,
    Settings,
    Software,
    settings_of,
)
from celery_gossip.wire.tasks import (
    MAX_EXCEPTION_CLASSES,
    MAX_WAITING,
    OTHER,
    Histogram,
    MostWaiting,
    RunningTask,
    TaskCount,
    TaskSeries,
)
from celery_gossip.wire.waiting import MAX_WAITING_TASKS, WaitingState, WaitingTask, WaitingTasks, refer_below

__all__ = [
    "CONTENT_TYPE",
    "DECODE_ERRORS",
    "MAX_BEAT_ENTRIES",
    "MAX_BYTES",
    "MAX_EXCEPTION_CLASSES",
    "MAX_FAILURES",
    "MAX_FRAMES",
    "MAX_HELD",
    "MAX_INTERVAL",
    "MAX_MESSAGE",
    "MAX_NAME",
    "MAX_RELEASE",
    "MAX_SENT_COUNTS",
    "MAX_TRACEBACK_FRAMES",
    "MAX_VERSION",
    "MAX_WAITING",
    "MAX_WAITING_TASKS",
    "OTHER",
    "REASONS",
    "VERSION",
    "Beat",
    "BeatEntry",
    "BeatReportState",
    "Echo",
    "Gossip",
    "GossipState",
    "HeldMessage",
    "Histogram",
    "PoolProcesses",
    "Profile",
    "QueueCheck",
    "Resources",
    "RunningTask",
    "SentCount",
    "SentReport",
    "Setting",
    "Settings",
    "Software",
    "TaskCount",
    "TaskFailure",
    "TaskNames",
    "TaskSeries",
    "WaitingState",
    "WaitingTask",
    "as_dict",
    "clamp_count",
    "clamp_seconds",
    "clamp_signed",
    "clamp_total",
    "decode",
    "sanitize_name",
    "settings_of",
]

VERSION: Literal[1] = 1
CONTENT_TYPE = "application/json"
MAX_FRAMES = 20  #: frames of a stack
MAX_BYTES = 64 * 1024  #: limit of one encoded message; neither sent nor accepted beyond

#: Reasons for which a message is rejected. Literals, so they are safe as labels of a metric.
REASONS = (
    "oversized",  # longer than MAX_BYTES
    "content_type",  # not application/json
    "compressed",  # never decompressed, to prevent decompression bombs
    "malformed",  # not UTF-8, not JSON, truncated, or nested too deeply
    "invalid",  # JSON, but a field is missing, has another type, or is out of range
    "version",  # of an unsupported version of the wire format
    "text",  # a name contains control characters
    "transport",  # the broker's envelope is broken
    "signature",  # the signature does not match any key of this listener
    "unsigned",  # without a signature, although that is required, or the worker has sent one before
    "throttled",  # above the rate limit of its sender, or of all unknown senders
)

#: State of a worker as it reports it.
GossipState = Literal["online", "draining", "offline"]


class QueueCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """State of one queue consumer of one worker (in Oban: a producer's check)."""

    queue: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
    uuid: Name  #: new each time this worker starts to consume this queue
    paused: bool  #: the worker has stopped consuming this queue, and can resume
    active: tuple[Name, ...]  #: ids of running tasks, the longest running first, at most `gossip_active_limit`
    active_count: Count  #: exact number of running tasks
    reserved: Count  #: prefetched tasks that wait for a slot; exact
    scheduled: Count  #: tasks that wait for their ETA; exact
    started_at: Seconds  #: time since when it consumes the queue, Unix seconds
    updated_at: Seconds  #: time of this check, Unix seconds
    shutdown_started_at: Seconds | None  #: Unix seconds, set while draining
    #: A private queue of this worker behind a fanout exchange (`kombu.common.Broadcast`), reported under its alias: the
    #: broker has no queue with that name. Absent on the wire when false.
    broadcast: bool = False
    tasks: tuple[RunningTask, ...] = ()  #: details of the tasks in `active`, in the same order; absent if empty


class Gossip(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Report of one worker, with a check of each of its queues. No decision depends on the worker's clock."""

    v: Literal[1]  #: VERSION of the format
    app: Name  #: name of the Celery app
    hostname: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
    boot: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]  #: instance id, new at every start
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]  #: number of the report, from 1, per instance
    interval: Annotated[float, msgspec.Meta(gt=0, le=MAX_INTERVAL)]  #: seconds between two reports
    sent_at: Seconds  #: Unix seconds
    state: GossipState
    stalled_for: Seconds  #: seconds since the last tick of the event loop; 0.0 while it ticks, and while draining
    loop_lag: Seconds  #: seconds by which the last tick was late
    pool: Name  #: prefork, threads, solo, gevent, eventlet, or the path of a custom class
    concurrency: Count  #: slots, shared by all queues of the worker: never sum them over queues
    prefetch_count: Count | None
    active: Count  #: running tasks of all queues, exact
    reserved: Count  #: prefetched tasks of all queues, exact
    scheduled: Count  #: tasks of all queues that wait for their ETA, exact
    processed: Count  #: tasks accepted since the start
    unattributed: Count  #: active tasks whose queue is unknown
    checks: tuple[QueueCheck, ...]
    # The following fields are absent on the wire when 0 or empty.
    omitted: Count = 0  #: checks of the least busy queues, left out to stay within MAX_BYTES
    limited: Count = 0  #: tasks that wait for their rate limit, not included in the other counts
    series: tuple[TaskSeries, ...] = ()  #: series that changed recently, and one of the others in rotation
    overflowed: Count = 0  #: tasks received that are counted as OTHER, because there are too many series
    skewed: Count = 0  #: negative waiting times, counted as 0.0; the clocks of publisher and worker differ
    deferred: Count = 0  #: series that have changed but did not fit; a later report contains them
    #: Messages received since the start that are not tasks: not decodable, of an unknown format, or invalid. Celery
    #: logs and drops them.
    undecodable: Count = 0
    #: Messages held by tasks with their own strategy (celery-batches), buffered or running as a batch. Not included in
    #: the other counts, nor in `inspect`.
    batched: Count = 0
    names: tuple[Name, ...] = ()  #: names of tasks and queues that the following fields refer to by index
    reserved_tasks: MostWaiting = ()  #: the MAX_WAITING most frequent of the reserved tasks
    scheduled_tasks: MostWaiting = ()  #: the same of the scheduled tasks
    #: Of each queue of `checks`, in the same order: seconds since the newest message was sent of those that the worker
    #: has received for the first time; null if that is not known. An age, rounded up; the last ones are absent if null.
    newest: tuple[Seconds | None, ...] = ()
    #: Stack of the thread of the event loop while it is blocked: `module:function:line`, innermost first. Only in some
    #: of the reports of a stall.
    stack: Annotated[tuple[Name, ...], msgspec.Meta(max_length=MAX_FRAMES)] = ()
    software: Software | None = None  #: in the first reports of an instance, and then once a minute
    #: Messages that have been, or will be, held for half of the visibility timeout; those held for longest.
    held: Annotated[tuple[HeldMessage, ...], msgspec.Meta(max_length=MAX_HELD)] = ()
    resources: Resources | None = None  #: memory, CPU time and processes; in every fifth report, from the first
    failures: Failures = ()  #: tasks that have failed recently, the newest first; each in three reports
    #: Tasks that wait now and did in the report before, as far as they fit; the counts above are exact.
    waiting: WaitingTasks = ()
    #: Process, configuration and some of the task names; in the first reports of an instance, then every two minutes.
    profile: Profile | None = None


class Echo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Message that a listener publishes and receives itself, to detect that it is isolated; others ignore it.

    With `sent` it is the report of a process that sends tasks, which every listener reads. With `beat` it is a Beat,
    and decoded as such; a value other than 1 is a version to come, which is ignored. Listeners that do not know these
    fields take it for the ping of another listener, and ignore it without counting a rejection.
    """

    echo: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]  #: id of the listener or of the sending process
    number: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    sent: SentReport | None = None
    beat: int = 0


class _Head(msgspec.Struct):
    v: int
    hostname: Any = ""


#: What msgspec raises for invalid input. Before msgspec 0.22 its errors were not ValueErrors.
DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
_decoder = msgspec.json.Decoder(Gossip)
_echo_decoder = msgspec.json.Decoder(Echo)
_beat_decoder = msgspec.json.Decoder(Beat)
_head_decoder = msgspec.json.Decoder(_Head)


def decode(body: bytes) -> Gossip | Echo | Beat:
    """Return the message in this body. Raises RejectedGossip, and no other exception, for any bytes."""
    if len(body) > MAX_BYTES:
        raise RejectedGossip("oversized", f"{len(body)} bytes, {MAX_BYTES} allowed")
    try:
        gossip = _decoder.decode(body)
    except msgspec.ValidationError as exc:
        echo = _decode_echo(body)
        if echo is not None:
            if echo.beat == 1:
                return _decode_beat(body)
            if echo.sent is not None:
                _require_valid(echo.sent)
            return echo
        raise _rejection(body, exc) from exc
    except DECODE_ERRORS as exc:
        raise RejectedGossip("malformed", str(exc)) from exc
    if not _has_printable_names(gossip):
        raise RejectedGossip("text", "a name contains control characters")
    if not _has_valid_references(gossip):
        raise RejectedGossip("invalid", "details refer to a name, a task or a queue that is not listed")
    return gossip


def as_dict(gossip: Gossip) -> dict[str, Any]:
    """Return the fields as JSON-compatible values, `{name: value}`."""
    fields: dict[str, Any] = msgspec.to_builtins(gossip)
    return fields


def _decode_echo(body: bytes) -> Echo | None:
    try:
        return _echo_decoder.decode(body)
    except DECODE_ERRORS:
        return None


def _decode_beat(body: bytes) -> Beat:
    try:
        beat = _beat_decoder.decode(body)
    except DECODE_ERRORS as exc:
        raise RejectedGossip("invalid", str(exc)) from exc
    if not is_printable(beat):
        raise RejectedGossip("text", "a name contains control characters")
    return beat


def _require_valid(report: SentReport) -> None:
    """Raise RejectedGossip for a name with control characters, or an index without a name."""
    if not (report.app + "".join(report.names)).isprintable():
        raise RejectedGossip("text", "a name contains control characters")
    end = len(report.names)
    if any(one.queue >= end or one.task >= end or one.recent > one.count for one in report.counts):
        raise RejectedGossip("invalid", "a count of sent tasks refers to a name that is not listed")


def _rejection(body: bytes, exc: Exception) -> RejectedGossip:
    try:
        head = _head_decoder.decode(body)
    except msgspec.ValidationError:
        return RejectedGossip("invalid", str(exc))
    except DECODE_ERRORS:  # the JSON is broken after the first invalid field
        return RejectedGossip("malformed", str(exc))
    if head.v == VERSION:
        return RejectedGossip("invalid", str(exc))
    return RejectedGossip("version", f"{head.v} of {sanitize_name(head.hostname)!r}, {VERSION} is supported")


def _has_printable_names(gossip: Gossip) -> bool:
    # Names are joined to be checked at once: this takes less time than one call for each.
    texts = [gossip.app, gossip.hostname, gossip.pool, *gossip.names, *gossip.stack]
    for check in gossip.checks:
        texts += (check.queue, check.uuid, *check.active)
    for series in gossip.series:
        texts += (series.queue, series.task, *series.failed)
    for held in gossip.held:
        texts += (held.queue, held.task, held.id)
    for failure in gossip.failures:
        texts += (failure.id, failure.message or "")
    texts += [one.id for one in gossip.waiting]
    software = gossip.software
    if software is not None:
        texts += (software.release, software.celery, software.kombu, software.python, software.gossip)
    if gossip.profile is not None:
        texts += profile_texts(gossip.profile)
    return "".join(texts).isprintable()


def _has_valid_references(gossip: Gossip) -> bool:
    """Return True if each index leads to a name, and details belong to a task that is listed."""
    end = len(gossip.names)
    if len(gossip.newest) > len(gossip.checks):
        return False
    for check in gossip.checks:
        tasks = check.tasks
        if tasks:
            if len(tasks) > len(check.active):
                return False
            for task in tasks:
                if task.name >= end:
                    return False
    for waiting in (gossip.reserved_tasks, gossip.scheduled_tasks):
        for one in waiting:
            if one.queue >= end or one.task >= end:
                return False
    has_valid_parts = has_valid_profile(gossip.profile) and refer_below(gossip.waiting, end)
    return has_valid_parts and (not gossip.failures or have_references_below(gossip.failures, end))
