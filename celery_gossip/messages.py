"""The wire format, version 1: what a worker says, with bounded encoding and decoding. Pure; called on any thread.

JSON, UTF-8, at most MAX_BYTES. Decoding is strict: what is not exactly a gossip is one RejectedGossip with a reason
from REASONS. Unknown fields are ignored, so that a newer worker can talk to an older listener.
"""

from typing import Annotated, Any, Literal

import msgspec

from celery_gossip.errors import OversizedGossip, RejectedGossip
from celery_gossip.histogram import MOST_BUCKETS

__all__ = [
    "CONTENT_TYPE",
    "MAX_BYTES",
    "MAX_INTERVAL",
    "MAX_NAME",
    "MOST_KINDS",
    "OTHER",
    "REASONS",
    "VERSION",
    "Echo",
    "Gossip",
    "Histogram",
    "QueueCheck",
    "TaskSeries",
    "as_dict",
    "decode",
    "encode",
    "encode_echo",
    "fitted",
    "plain",
]

VERSION: Literal[1] = 1
CONTENT_TYPE = "application/json"
MAX_BYTES = 64 * 1024  #: of one encoded gossip; refused by both sides beyond
MAX_NAME = 255  #: characters of any name; RabbitMQ's own limit for a queue's
_LEAST_SERIES = 2  #: kept in a gossip whatever has to go, or a worker with many queues would never tell of its tasks
MOST_KINDS = 20  #: classes of exceptions that a series counts apart, OTHER among them
OTHER = "other"  #: what is counted beyond a bound: a task's name, a queue's, an exception's class

#: Why a message was refused, as literals: safe as labels of a metric.
REASONS = (
    "oversized",  # longer than MAX_BYTES
    "content_type",  # not announced as application/json
    "compressed",  # never unpacked: a small bomb grows large
    "malformed",  # not UTF-8, not JSON, truncated, or nested too deep
    "invalid",  # JSON, but a field is missing, of another type, or out of bounds
    "version",  # of a wire format that this listener does not speak
    "text",  # a name with control characters
    "transport",  # the broker's envelope itself was broken
    "signature",  # with a signature that no key of this listener has made
    "unsigned",  # without one, where that is refused or the worker has been heard with one
    "throttled",  # not looked at: its sender, or all who are unknown, say more than can be of use
)

MAX_INTERVAL = 86_400.0  #: seconds between two rounds: silence is judged by it, so it has a bound

Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Bucket = Annotated[int, msgspec.Meta(ge=0, lt=MOST_BUCKETS)]


class QueueCheck(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The state of one queue consumer of one worker at one moment (Oban: a producer's check)."""

    queue: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
    uuid: Name  #: new whenever this worker starts consuming this queue
    paused: bool  #: the worker knows this queue and has stopped consuming it
    active: tuple[Name, ...]  #: ids of executing tasks, at most `gossip_active_limit`
    active_count: Count  #: exact, however many ids are listed
    reserved: Count  #: prefetched, waiting for a slot; exact
    scheduled: Count  #: waiting for their ETA; exact
    started_at: Seconds  #: consuming since, Unix seconds
    updated_at: Seconds  #: when this check was taken, Unix seconds
    shutdown_started_at: Seconds | None  #: Unix seconds, set while draining


class Histogram(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How long something took, as often as it did since the worker's start. See celery_gossip.histogram."""

    count: Count
    total: Seconds  #: of all of them
    #: `(bucket, count, how many of these are new in the latest three gossips that told of this series)`; only buckets
    #: that changed in those three, or all of them.
    buckets: Annotated[tuple[tuple[Bucket, Count, Count], ...], msgspec.Meta(max_length=MOST_BUCKETS)]


class TaskSeries(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of the tasks of one name from one queue since the worker's start."""

    queue: Name  #: empty where it could not be told
    task: Name
    age: Seconds  #: since the first of them came in
    received: Count = 0
    started: Count = 0
    succeeded: Count = 0
    failed: Annotated[dict[Name, Count], msgspec.Meta(max_length=MOST_KINDS)] = {}  # by the exception's class
    retried: Count = 0
    revoked: Count = 0
    rejected: Count = 0
    runtime: Histogram | None = None  #: seconds of those that ran and ended, whatever their fate
    wait: Histogram | None = None  #: seconds from being sent, or due, to being started, where that is known


class Gossip(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One message: one worker, all its queue checks. Times are the worker's own and decide nothing."""

    v: Literal[1]  #: VERSION of the format
    app: Name  #: the Celery app's name
    hostname: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
    boot: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]  #: new at every worker start
    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]  #: from 1, per boot
    interval: Annotated[float, msgspec.Meta(gt=0, le=MAX_INTERVAL)]  #: seconds between two rounds
    sent_at: Seconds  #: Unix seconds
    state: Literal["online", "draining", "offline"]
    stalled_for: Seconds  #: seconds since the event loop last ticked; 0.0 while it ticks, and while draining
    loop_lag: Seconds  #: how late the last tick fired, seconds
    pool: Name  #: prefork, threads, solo, gevent, eventlet, or the class's path
    concurrency: Count  #: of the worker, shared by its queues: never sum it per queue
    prefetch_count: Count | None
    active: Count  #: worker totals, exact
    reserved: Count
    scheduled: Count
    processed: Count  #: tasks accepted since boot
    unattributed: Count  #: active tasks whose queue could not be told
    checks: tuple[QueueCheck, ...]
    omitted: Count = 0  #: checks of the idlest queues, left out to keep to MAX_BYTES; absent on the wire when 0
    limited: Count = 0  #: tasks that wait for their rate limit, in none of the other counts; absent on the wire when 0
    series: tuple[TaskSeries, ...] = ()  #: those that changed of late, and one in its turn; absent when there is none
    overflowed: Count = 0  #: tasks received that share a series, for there are too many; absent when 0
    skewed: Count = 0  #: waits that were negative, for clocks disagree, and count as 0.0; absent when 0


class Echo(msgspec.Struct, frozen=True, kw_only=True):
    """What a listener says to itself on the exchange, to learn whether it hears; all others ignore it."""

    echo: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]  #: the listener's own
    number: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class _Head(msgspec.Struct):
    v: int
    hostname: Any = ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Gossip)
_echo_decoder = msgspec.json.Decoder(Echo)
_head_decoder = msgspec.json.Decoder(_Head)


def encode(gossip: Gossip) -> bytes:
    """The bytes on the wire, at most MAX_BYTES. See fitted."""
    return fitted(gossip)[1]


def fitted(gossip: Gossip) -> tuple[Gossip, bytes]:
    """What there is room for of a gossip, and its bytes on the wire, at most MAX_BYTES.

    What does not fit is left out in an order that keeps the view true: first task ids (counts stay exact), then
    series but two, the last first (they are told again), then the checks of the idlest queues, counted in `omitted`.
    Raises OversizedGossip if even that is too long.
    """
    body = _encoder.encode(gossip)
    while len(body) > MAX_BYTES:
        gossip = _smaller(gossip, len(body))
        body = _encoder.encode(gossip)
    return gossip, body


def encode_echo(echo: Echo) -> bytes:
    """The bytes on the wire."""
    return _encoder.encode(echo)


def decode(body: bytes) -> Gossip | Echo:
    """The gossip or echo in these bytes; raises RejectedGossip, and nothing else, whatever they are."""
    if len(body) > MAX_BYTES:
        raise RejectedGossip("oversized", f"{len(body)} bytes, {MAX_BYTES} allowed")
    try:
        gossip = _decoder.decode(body)
    except msgspec.ValidationError as exc:
        echo = _echo_in(body)
        if echo is not None:
            return echo
        raise _rejected(body, exc) from exc
    except (ValueError, RecursionError) as exc:
        raise RejectedGossip("malformed", str(exc)) from exc
    if not _has_plain_text(gossip):
        raise RejectedGossip("text", "a name holds control characters")
    return gossip


def as_dict(gossip: Gossip) -> dict[str, Any]:
    """The gossip's fields as JSON knows them, `{name: built-in value}`."""
    fields: dict[str, Any] = msgspec.to_builtins(gossip)
    return fields


def plain(text: object) -> str:
    """This name as plain text of at most MAX_NAME characters: what does not print is escaped, as repr() would."""
    name = text if isinstance(text, str) else str(text)
    if not name.isprintable():
        name = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name)
    return name[:MAX_NAME]


def _echo_in(body: bytes) -> Echo | None:
    try:
        return _echo_decoder.decode(body)
    except (ValueError, RecursionError):
        return None


def _rejected(body: bytes, exc: Exception) -> RejectedGossip:
    try:
        head = _head_decoder.decode(body)
    except msgspec.ValidationError:
        return RejectedGossip("invalid", str(exc))
    except (ValueError, RecursionError):  # broken further on than the first field that was wrong
        return RejectedGossip("malformed", str(exc))
    if head.v == VERSION:
        return RejectedGossip("invalid", str(exc))
    return RejectedGossip("version", f"{head.v} of {plain(head.hostname)!r}, {VERSION} is spoken here")


def _has_plain_text(gossip: Gossip) -> bool:
    if not (gossip.app + gossip.hostname + gossip.pool).isprintable():
        return False
    if not all("".join((one.queue, one.task, *one.failed)).isprintable() for one in gossip.series):
        return False
    return all((check.queue + check.uuid + "".join(check.active)).isprintable() for check in gossip.checks)


def _smaller(gossip: Gossip, size: int) -> Gossip:
    longest = max((len(check.active) for check in gossip.checks), default=0)
    if longest:
        return msgspec.structs.replace(gossip, checks=_with_fewer_ids(gossip.checks, most=longest // 2))
    least = _LEAST_SERIES if gossip.checks else 0
    if len(gossip.series) > least:
        return msgspec.structs.replace(gossip, series=gossip.series[: max(least, len(gossip.series) // 2)])
    if not gossip.checks:
        raise OversizedGossip(f"a gossip without checks takes {size} bytes, {MAX_BYTES} allowed")
    kept = _without_idlest(gossip.checks, keep=len(gossip.checks) * MAX_BYTES // size - 1)
    omitted = gossip.omitted + len(gossip.checks) - len(kept)
    return msgspec.structs.replace(gossip, checks=kept, omitted=omitted)


def _with_fewer_ids(checks: tuple[QueueCheck, ...], most: int) -> tuple[QueueCheck, ...]:
    return tuple(
        msgspec.structs.replace(check, active=check.active[:most]) if len(check.active) > most else check
        for check in checks
    )


def _without_idlest(checks: tuple[QueueCheck, ...], keep: int) -> tuple[QueueCheck, ...]:
    busiest = sorted(checks, key=lambda check: check.active_count + check.reserved + check.scheduled, reverse=True)
    return tuple(busiest[: max(keep, 0)])
