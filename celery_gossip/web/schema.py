"""Rows of the dashboard's tables and of its JSON API. Frozen; the OpenAPI document is generated from these types.

Times are Unix seconds of the server's clock, durations are seconds, rates are tasks per second. A row's key is unique
within its table. If several apps are watched, `source` identifies the app and the key begins with it: "0/mail".
"""

from typing import Annotated

import msgspec

__all__ = [
    "Balance",
    "Beat",
    "Check",
    "Coverage",
    "Ending",
    "Entry",
    "ExactAge",
    "Failure",
    "FailureGroup",
    "FailureTotals",
    "Finding",
    "FoundName",
    "Level",
    "ListTotals",
    "ListedTask",
    "Mark",
    "MatrixQueue",
    "MatrixRow",
    "PoolProcesses",
    "Queue",
    "Resources",
    "RunningTask",
    "Sample",
    "Send",
    "SentTask",
    "Sighting",
    "Software",
    "Source",
    "Step",
    "Task",
    "Timing",
    "Totals",
    "Worker",
]

UnixTime = Annotated[float, msgspec.Meta(description="Unix seconds")]
Seconds = Annotated[float, msgspec.Meta(description="seconds")]
PerSecond = Annotated[float, msgspec.Meta(description="tasks that ended per second, over the last minute")]
FailureRate = Annotated[
    float, msgspec.Meta(description="failed tasks among those that succeeded or failed in the last minute, 0 to 1")
]


class Timing(msgspec.Struct, frozen=True):
    """Percentiles of a duration over the last minute, in seconds; null if nothing was measured."""

    p50: Seconds | None = None
    p95: Seconds | None = None
    p99: Seconds | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A watched app on its broker."""

    source: str  #: "0", "1", …
    app: str
    broker: str  #: URL without the password
    label: str  #: unique: the broker's URL, with the app if several apps use it
    listening_since: UnixTime | None  #: null before the first connection
    is_connected: bool
    isolated_since: UnixTime | None  #: time since which not even the listener's own pings arrive; the view is frozen
    error: str  #: why the broker cannot be reached now; empty if it can
    rejected: int  #: messages rejected since the start


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over one source; the row with an empty `source` sums all sources."""

    source: str
    states: dict[str, int]  #: `{state: workers}`, of states with at least one worker
    slots: int  #: of workers that are not offline or lost
    active: int
    reserved: int
    scheduled: int
    backlog: int | None  #: sum over queues whose backlog is known; null if none is
    per_second: PerSecond
    failure_rate: FailureRate | None
    runtime: Timing
    wait: Timing


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A detected problem, with advice."""

    source: str
    kind: str
    severity: str  #: "critical" or "warning"
    subject: str  #: a queue name, a hostname, the name of an entry of a schedule, or "listener"
    subject_kind: str  #: "queue", "worker", "schedule" (a beat process or an entry) or "listener"
    since: UnixTime
    text: str


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """One queue, summed over all its workers."""

    source: str
    name: str
    paused: str  #: "no", "partly" or "yes"
    workers: int  #: that consume the queue or have paused it
    states: dict[str, int]  #: `{state: workers}`, including workers that are offline or lost
    active: int
    reserved: int
    scheduled: int
    slots: int  #: of its workers, which may serve other queues as well
    free_slots: int
    backlog: int | None  #: messages waiting on the broker; null if unknown
    oldest_age_min: Seconds | None  #: for which the oldest message has waited at least; 0 if none waits
    oldest_age_max: Seconds | None  #: for which it has waited at most; 0 if none waits, null if not known
    load: float  #: tasks that run or wait, per slot
    per_second: PerSecond
    failure_rate: FailureRate | None
    runtime: Timing
    wait: Timing
    spark: tuple[float, ...] = ()  #: tasks that ended per second, in steps of 10 s, oldest first; at most 30


class Software(msgspec.Struct, frozen=True, kw_only=True):
    """Release, versions, registered tasks and settings of a worker; an empty text is unknown."""

    release: str  #: of the project
    celery: str  #: version
    kombu: str
    python: str
    gossip: str  #: version of celery-gossip
    registry: str  #: digest of the names of the registered tasks
    tasks: int  #: number of these tasks
    settings: dict[str, bool | float]  #: settings in force, by their name in Celery


class PoolProcesses(msgspec.Struct, frozen=True, kw_only=True):
    """Processes of a prefork pool: those alive, and counts since the start of the worker."""

    alive: int
    starting: int  #: of those alive, not ready for tasks yet
    started: int
    exited: int  #: ended normally: the pool shrank, was restarted or shut down
    recycled: int  #: ended because of max_tasks_per_child or max_memory_per_child
    terminated: int  #: ended by a time limit, with a task that was revoked with `terminate`, or by SIGTERM
    lost: int  #: killed, crashed or exited with an error
    last_loss: int | None  #: exit code of the process lost last, negative for a signal


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """Memory in bytes and CPU time of a worker, from the latest report that contains them; null where unknown."""

    at: UnixTime  #: time of that report
    rss: int | None  #: resident memory of the main process
    children_rss: int | None  #: of the pool's processes together; pages that they share count in each
    largest_child_rss: int | None
    cpu_seconds: Seconds | None  #: since the start of the worker, including processes that ended
    memory_limit: int | None  #: of its cgroup, or the lowest of those around it
    memory_used: int | None  #: counts towards that limit, without caches of files
    processes: PoolProcesses | None  #: null for a pool without processes


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one report; the last 60 of a worker are kept."""

    at: UnixTime
    memory_used: int | None  #: bytes that count towards the limit; null if the report does not contain it
    rss: int | None  #: bytes of the main process and the pool's processes; the same
    active: int
    reserved: int
    lost: int | None  #: pool processes lost since the start of the worker
    lag: Seconds  #: by which the event loop was late, or for which it has been blocked


class ExactAge(msgspec.Struct, frozen=True, kw_only=True):
    """Age of the message of a queue that is delivered next, as its header says."""

    age: Seconds | None  #: 0 if no message waits
    reason: str  #: why it is not known; empty if it is


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, from its last report."""

    source: str
    hostname: str
    state: str  #: online, stalled, draining, suspect, conflict, offline or lost
    state_since: UnixTime
    reason: str  #: explains the state; empty while online
    silent_since: UnixTime | None  #: time of the last report, if that is more than two intervals ago
    interval: Seconds
    pool: str
    concurrency: int
    active: int
    reserved: int
    scheduled: int
    processed: int
    loop_lag: Seconds  #: rounded to 10 ms
    stalled_for: Seconds
    queues: tuple[str, ...]
    paused: tuple[str, ...]  #: those of `queues` that the worker does not consume
    per_second: PerSecond
    failure_rate: FailureRate | None
    boot: str  #: instance id
    booted_at: UnixTime | None  #: null if the worker started before this server began to listen
    restarts: int  #: instances seen under this hostname after the first one
    is_verified: bool | None  #: true if the reports are signed; null if there is no secret to verify them with
    #: frames of the thread of its event loop while that is blocked, `module:function:line`, innermost first
    stack: tuple[str, ...] = ()
    release: str = ""  #: of the project; empty if unknown
    software: Software | None = None  #: only in the response about a single worker
    #: null if the worker has not reported them, and in the topic `workers` of the event stream
    resources: Resources | None = None
    #: memory in the reports of `recording` that contain it, in MiB, oldest first; only of a single worker
    memory_spark: tuple[int, ...] = ()
    # The following fields are only those of a single worker.
    pid: int | None = None  #: of its main process, in its own namespace; null if unknown
    started_at: UnixTime | None = None  #: when its program started; null if unknown
    configuration: dict[str, bool | float | str] = {}  #: settings in force, as far as they are reported
    task_names: tuple[str, ...] = ()  #: names of its registered tasks, sorted; empty if unknown


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """All tasks of one name: those that run, and those of the last minute."""

    source: str
    name: str
    running: int  #: as far as the workers list them
    received: int
    succeeded: int
    failed: int
    retried: int
    revoked: int
    rejected: int
    per_second: PerSecond
    failure_rate: FailureRate | None
    failures: dict[str, int]  #: `{exception class: failed tasks}`
    runtime: Timing
    wait: Timing


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One queue on one worker."""

    source: str
    hostname: str
    queue: str
    state: str  #: of the worker
    is_paused: bool
    active: int
    reserved: int
    scheduled: int
    concurrency: int  #: of the worker, shared by all its queues
    consuming_since: UnixTime


class RunningTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task that is running."""

    source: str
    id: str
    name: str  #: of the task; empty if its worker does not report it
    hostname: str
    queue: str
    since: UnixTime  #: when it started; if its worker does not report that, when it was first seen running
    is_older: bool  #: true if its start is not known, and it was already running when this server began to listen
    retries: int | None  #: null if its worker does not report it, as the following
    is_redelivered: bool | None  #: true if its message was delivered before
    soft_time_limit: Seconds | None  #: null if there is none
    time_limit: Seconds | None  #: null if there is none


class ListedTask(RunningTask, frozen=True, kw_only=True):
    """A task that runs, or waits in a worker.

    Of one that waits, `since` is when its worker received it, at the latest, and the three fields before that `state`
    are null.
    """

    state: str  #: "running", "reserved" (waits for a slot), "scheduled" (for its ETA) or "limited" (for its rate limit)
    due_at: UnixTime | None  #: its ETA; null unless it is scheduled


class ListTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the tasks that a list selects, of which it has 500 rows at most."""

    total: int
    states: dict[str, int]  #: `{state: tasks}`, whatever state is selected
    unlisted_running: int  #: tasks that run and that no report lists, whatever is selected
    unlisted_waiting: int


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """State of a task on one worker, now or when it was seen last."""

    source: str
    id: str
    name: str  #: empty if it is not known
    hostname: str
    queue: str  #: empty if it is not known
    #: "running", "reserved", "scheduled" or "limited" now; "failed"; "lost" or "stopped" with its worker; or "seen"
    #: last, and not listed any more
    state: str
    was: str  #: its state when it was seen last, if `state` is lost, stopped or seen
    worker_state: str  #: of the worker, now; empty if it is not known any more
    since: UnixTime | None  #: when it started to run, or since when it waits, at the latest; null if not known
    due_at: UnixTime | None  #: its ETA, if it was scheduled
    seen_at: UnixTime  #: time of the last report that listed it; of a failure that of the failure
    has_ended: bool  #: true if it ran, and its worker has since reported that it runs others only
    retries: int | None
    is_redelivered: bool | None
    soft_time_limit: Seconds | None
    time_limit: Seconds | None
    exception: str  #: class of a failure
    message: str | None  #: of the exception; null unless its worker reports it
    runtime: Seconds | None  #: of a failure; null if unknown
    line: str  #: "module:function:line" of a failure, outside of libraries; empty if unknown
    group: str  #: key of the group of its failure
    traceback: tuple[str, ...]  #: frames of a failure, outermost first; empty in the results of a search
    stack: tuple[str, ...]  #: of the event loop of its worker while that is blocked, innermost first; the same


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Completeness of a search of one source."""

    source: str
    since: UnixTime | None  #: since when tasks are remembered that are not listed any more; null if they are not
    unlisted_running: int  #: tasks that run now and that no report lists
    unlisted_waiting: int  #: tasks that wait in workers now and that no report lists
    is_frozen: bool  #: true while the listener is isolated


class FoundName(msgspec.Struct, frozen=True, kw_only=True):
    """A subject whose name contains the text of a search."""

    source: str
    kind: str  #: "task", "queue" or "worker"
    name: str


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Last report of a worker that is gone, or of the instance before it that ended while tasks ran."""

    source: str
    hostname: str
    boot: str  #: instance id
    state: str  #: "lost", "offline", or "replaced" by a newer instance
    at: UnixTime  #: time of the report
    concurrency: int
    active: int
    listed: int  #: those of `active` that the report lists
    reserved: int
    scheduled: int
    loop_lag: Seconds
    stalled_for: Seconds
    queues: tuple[str, ...]
    findings: tuple[Finding, ...]  #: about the worker, in the minute before


class FailureGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Failures with the same task, exception and code line, of those that the server keeps."""

    source: str
    key: str  #: of the group, in addresses
    task: str
    exception: str  #: name of the class
    line: str  #: "module:function:line" outside of libraries; empty if the workers report no tracebacks
    message: str | None  #: of the latest failure that has one; null if the workers report none
    count: int
    last_hour: int  #: those of the last hour
    first_at: UnixTime
    last_at: UnixTime
    trend: tuple[int, ...]  #: failures in each of the last 30 steps of two minutes, oldest first
    queues: tuple[str, ...]  #: 20 at most
    hostnames: tuple[str, ...]  #: 20 at most


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A task that failed."""

    source: str
    id: str
    hostname: str
    queue: str  #: empty if it is not known
    at: UnixTime
    runtime: Seconds | None  #: null if unknown
    retries: int
    message: str | None  #: of the exception; null unless its worker reports it
    traceback: tuple[str, ...]  #: frames "module:function:line", outermost first; empty unless its worker reports them


class FailureTotals(msgspec.Struct, frozen=True, kw_only=True):
    """How complete the failures of one source are."""

    source: str
    kept: int
    displaced: int  #: failures that were dropped for newer ones
    unlisted: int  #: failures that no report contained, at least


class SentTask(msgspec.Struct, frozen=True):
    """Tasks of one name from one queue, since the server began to listen."""

    sent: int
    received: int


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks that were sent to one queue by processes that count them, and what became of them."""

    source: str
    queue: str  #: empty if it is not known
    is_route: bool  #: `queue` is "exchange/routing key", to which the sender's settings bind no queue
    sent: int  #: since the server began to listen, as the following two
    received: int
    ended: int
    waiting: int | None  #: on the broker, now; null if unknown
    reserved: int
    scheduled: int
    active: int
    missing: int | None  #: tasks sent in the window that neither wait nor were received, at least; null if unknown
    window: Seconds
    reason: str  #: why `missing` is null
    tasks: dict[str, SentTask]  #: by task name


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One beat process."""

    source: str
    hostname: str  #: unique together with `app`; of one that is embedded that of its worker
    app: str
    state: str
    state_since: UnixTime
    silent_since: UnixTime | None  #: time of its last report, if the next one is late
    stalled_for: Seconds  #: for which a tick of its scheduler is overdue
    started_at: UnixTime
    scheduler: str  #: "module:Class"
    is_standby: bool  #: true while it waits for the lock of its scheduler
    is_embedded: bool  #: true if it is part of a worker
    instances: int  #: running processes with this hostname and app
    entries: int  #: of its schedule
    is_partial: bool  #: true if the schedule may have entries that the process does not know
    due_at: UnixTime | None  #: when the next entry is due; null if unknown, and if it is gone or waits
    sent_at: UnixTime | None  #: when an entry was sent last; null if unknown, and if it waits
    sends: int  #: of all entries, since its start
    errors: int  #: times that it could not send one
    is_verified: bool | None  #: true if the reports are signed; null if there is no secret to verify them with


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Times that an entry was sent between two reports, most often one."""

    at: UnixTime  #: time of the latest
    sends: int
    errors: int  #: times that it could not be sent
    error: str  #: exception class of the latest error
    late: Seconds | None  #: by which the latest send was late; null if unknown


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a schedule."""

    source: str
    app: str
    hostname: str  #: of the beat process
    name: str
    task: str
    schedule: str  #: in words
    queue: str  #: that the entry itself names; empty if none
    state: str  #: "scheduled", "unknown", "overdue", "failing" or "stopped" (its beat does not run or tick)
    due_at: UnixTime | None  #: rounded to seconds, as `sent_at`; null if unknown
    sent_at: UnixTime | None  #: null if it was never sent, or that is unknown
    late: Seconds | None  #: by which the latest send was late; null if unknown
    sends: int  #: by this process
    runs: int  #: in all, as the scheduler counts them
    errors: int
    error: str  #: exception class of the latest error
    history: tuple[Send, ...]  #: oldest first; at most 20


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks that ended within a few seconds: one point of a chart. Steps without any event are left out.

    Each chart has its own step size. Percentiles of steps of different sizes cannot be compared.
    """

    size: Seconds  #: from one step to the next
    start: UnixTime
    seconds: Seconds  #: elapsed part of the step
    received: int
    succeeded: int
    failed: int
    retried: int
    wait_p50: Seconds | None
    wait_p95: Seconds | None
    run_p50: Seconds | None
    run_p95: Seconds | None


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """Highest values within a step of ten seconds or a minute: one point of a chart; null where unknown.

    A queue has the first three figures, a worker the others, and all workers together both, without `memory_used`.
    """

    size: Seconds  #: from one step to the next
    start: UnixTime
    backlog: int | None  #: messages waiting on the broker
    oldest_min: Seconds | None  #: for which the oldest message has waited at least
    oldest_max: Seconds | None  #: for which it has waited at most
    rss: int | None  #: bytes of resident memory of the main process and the pool's processes
    memory_used: int | None  #: bytes that count towards the memory limit
    cpu: float | None  #: CPU seconds per second, between two reports that contain them


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Starts of workers within a minute of each other, or a time without reports, as a mark on charts."""

    kind: str  #: "restart"; "deploy": of workers with another release than before; "outage": no reports arrived
    source: str
    at: UnixTime
    until: UnixTime | None  #: time of the last start, or of the end of the outage; null while that lasts
    count: int  #: workers that started
    release: str  #: that they run; empty if unknown
    previous: str  #: release before; empty if unknown, or if it was not the same for all
    hostnames: tuple[str, ...]  #: of the first ones; at most 5


class MatrixQueue(msgspec.Struct, frozen=True, kw_only=True):
    """One queue: a column of the matrix."""

    source: str
    name: str
    workers: int  #: that consume the queue or have paused it; none of them is offline or lost
    paused: str  #: "no", "partly" or "yes"
    slots: int  #: of the workers that start tasks from it, which may serve other queues as well
    free_slots: int
    active: int
    reserved: int
    backlog: int | None  #: messages waiting on the broker; null if unknown


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, one host, or all workers with the same queues: a row of the matrix."""

    source: str
    key: str  #: unique within the source and the grouping
    name: str  #: hostname or host; of several workers what their names have in common
    hostname: str  #: of a row with one worker, else empty
    hostnames: tuple[str, ...]  #: 20 at most
    queue_set: str  #: the same for workers with the same queues; of a host that of its first worker
    workers: int
    states: dict[str, int]  #: `{state: workers}`
    slots: int  #: of the workers that start tasks
    active: int
    reserved: int
    lag: Seconds  #: the longest of their event loops
    memory_share: float | None  #: the highest share of a memory limit in use; null if unknown
    queues: tuple[str, ...]
    #: for each of `queues`: workers, of these paused, slots that start tasks from it, running and reserved tasks
    cells: tuple[tuple[int, int, int, int, int], ...]
