"""Rows: what the dashboard's page and its JSON API show. Frozen; their types are the API's description, too.

Times are Unix seconds of the server's clock, durations seconds, rates tasks a second. A row's key is unique in its
table; where several apps are watched, `source` tells whose it is, and keys begin with it, "0/mail".
"""

import msgspec

__all__ = [
    "Check",
    "Finding",
    "Queue",
    "Run",
    "Source",
    "Step",
    "Task",
    "Timing",
    "Totals",
    "Worker",
]


class Timing(msgspec.Struct, frozen=True):
    """How long something took in the latest minute; seconds, null where nothing was measured."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """An app that is watched, on its broker."""

    source: str  #: "0", "1", …
    app: str
    broker: str  #: without its password
    listening_since: float | None  #: None: it has not been connected yet
    is_connected: bool
    isolated_since: float | None  #: since when it hears nobody, not even itself: what is shown is frozen
    error: str  #: why the broker cannot be reached just now; else empty
    rejected: int  #: messages refused since the start


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Of one source, or of all ("")."""

    source: str
    states: dict[str, int]  #: `{state: workers}`, those that are there
    slots: int  #: of the workers that live
    active: int
    reserved: int
    scheduled: int
    backlog: int | None  #: of those queues where it is known; null where it is of none
    per_second: float  #: tasks that ended, in the latest minute
    failure_rate: float | None  #: 0 to 1, of those that succeeded or failed in the latest minute
    runtime: Timing
    wait: Timing


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong, and what to do."""

    source: str
    kind: str
    severity: str  #: "critical" or "warning"
    subject: str  #: a queue's name, a hostname, or "listener"
    subject_kind: str  #: "queue", "worker" or "listener"
    since: float
    text: str


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """One queue over all its workers."""

    source: str
    name: str
    paused: str  #: "no", "partly" or "yes"
    workers: int  #: that consume it, paused ones included
    states: dict[str, int]  #: `{state: workers}`, those that are gone included
    active: int
    reserved: int
    scheduled: int
    slots: int  #: of its workers, who serve other queues, too
    free_slots: int
    backlog: int | None  #: messages that wait on the broker; null where that is not known
    load: float
    per_second: float
    failure_rate: float | None
    runtime: Timing
    wait: Timing
    spark: tuple[float, ...] = ()  #: tasks that ended a second, in steps of 10 s, the latest last; at most 30


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, as last heard."""

    source: str
    hostname: str
    state: str  #: online, stalled, draining, suspect, conflict, offline or lost
    state_since: float
    reason: str  #: why it is in that state, in words; empty while online
    silent_since: float | None  #: when it was last heard, where that is longer ago than two of its intervals
    interval: float
    pool: str
    concurrency: int
    active: int
    reserved: int
    scheduled: int
    processed: int
    loop_lag: float  #: rounded to 10 ms
    stalled_for: float
    queues: tuple[str, ...]
    paused: tuple[str, ...]  #: those of its queues that it does not consume
    per_second: float
    failure_rate: float | None
    boot: str
    booted_at: float | None  #: null where it was heard before this server began to listen
    restarts: int  #: boots seen under this name but the first
    is_verified: bool | None  #: whether its gossip is signed; null where that cannot be told


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """All tasks of one name, in the latest minute."""

    source: str
    name: str
    received: int
    succeeded: int
    failed: int
    retried: int
    revoked: int
    rejected: int
    per_second: float
    failure_rate: float | None
    failures: dict[str, int]  #: `{class of the exception: failed}`
    runtime: Timing
    wait: Timing


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One queue of one worker."""

    source: str
    hostname: str
    queue: str
    state: str  #: the worker's
    is_paused: bool
    active: int
    reserved: int
    scheduled: int
    concurrency: int  #: the worker's, for all its queues
    consuming_since: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A task that runs."""

    source: str
    id: str
    hostname: str
    queue: str
    seen_since: float  #: when it was first seen running; it may have begun an interval before
    is_older: bool  #: it ran already when this server began to listen


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What ended within some seconds: a point of a chart. Steps in which nothing did are left out.

    What happened is told in steps of several sizes, one for each chart: percentiles of unlike steps cannot be compared.
    """

    size: float  #: seconds from one step to the next
    start: float
    seconds: float  #: that have passed of it
    received: int
    succeeded: int
    failed: int
    retried: int
    wait_p50: float | None
    wait_p95: float | None
    run_p50: float | None
    run_p95: float | None
