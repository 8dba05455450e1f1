"""Responses: the JSON bodies of the API, one type per kind of response. Frozen; described by the OpenAPI document.

A response contains `now`, the server's time, because every time in a row is one of the server's clock.
"""

import msgspec

from celery_gossip.control.activity import Activity
from celery_gossip.control.control import ControlReply
from celery_gossip.web.schema import (
    Balance,
    Beat,
    Check,
    Coverage,
    Ending,
    Entry,
    ExactAge,
    Failure,
    FailureGroup,
    FailureTotals,
    Finding,
    FoundName,
    Level,
    ListedTask,
    ListTotals,
    Mark,
    MatrixQueue,
    MatrixRow,
    Queue,
    RunningTask,
    Sample,
    Sighting,
    Source,
    Step,
    Task,
    Totals,
    UnixTime,
    Worker,
)

__all__ = [
    "ActivityList",
    "BalanceList",
    "BeatList",
    "Config",
    "ControlReply",
    "Error",
    "FailureDetail",
    "FailureList",
    "ListedTasks",
    "Matrix",
    "Overview",
    "OwnSession",
    "QueueDetail",
    "QueueList",
    "RunDetail",
    "RunningTaskList",
    "SearchResult",
    "SessionCommand",
    "SessionList",
    "SessionRow",
    "StepList",
    "TaskDetail",
    "TaskList",
    "WorkerDetail",
    "WorkerList",
]


class Error(msgspec.Struct, frozen=True):
    """A refused request."""

    error: str  #: what was expected, in one sentence


class OwnSession(msgspec.Struct, frozen=True, kw_only=True):
    """The session in which the page was opened."""

    id: str
    csrf: str  #: the token for POST /api/logout and /api/sessions/end
    is_admin: bool  #: may see and end the sessions of others


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that the page reads when it is opened."""

    version: str
    boot: str  #: changes when the server restarts, as the token does
    may_control: bool  #: the user has at least one of the permissions
    is_controlled: bool  #: commands can be sent through this server, by this user or others
    permissions: list[str]  #: the user's permissions to control workers, by the names of --allow-control
    csrf: str  #: the token for POST /api/control; empty without the right to control
    task_url: str  #: address of a task elsewhere, with {id} in place of its id; empty if none was given
    user: str  #: who is authenticated; empty if authentication is off
    session: OwnSession | None  #: null unless the user logged in by OpenID Connect


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Watched apps, their totals and all findings."""

    now: UnixTime
    sources: list[Source]
    totals: list[Totals]
    findings: list[Finding]


class QueueList(msgspec.Struct, frozen=True, kw_only=True):
    """All queues."""

    now: UnixTime
    queues: list[Queue]


class WorkerList(msgspec.Struct, frozen=True, kw_only=True):
    """All workers."""

    now: UnixTime
    workers: list[Worker]


class TaskList(msgspec.Struct, frozen=True, kw_only=True):
    """All tasks that run, or were counted in the last minute, by name."""

    now: UnixTime
    tasks: list[Task]


class BalanceList(msgspec.Struct, frozen=True, kw_only=True):
    """The balance of all queues that tasks were sent to."""

    now: UnixTime
    balance: list[Balance]


class BeatList(msgspec.Struct, frozen=True, kw_only=True):
    """All beat processes, and the entries of their schedules."""

    now: UnixTime
    beats: list[Beat]
    schedule: list[Entry]  #: those with problems first, then those due next; without those of standby processes


class RunningTaskList(msgspec.Struct, frozen=True, kw_only=True):
    """Running tasks, the longest running first."""

    now: UnixTime
    total: int  #: running tasks that match, of which the response lists 500
    runs: list[RunningTask]


class ListedTasks(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks that run, or wait in workers; the longest first."""

    now: UnixTime
    list_totals: ListTotals
    listed: list[ListedTask]


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """Results of a search. At most 50 tasks, and 50 names of each kind and source."""

    now: UnixTime
    sightings: list[Sighting]  #: of tasks by their id; of each source those that run or wait first, then the latest
    names: list[FoundName]  #: equal names first, then those that begin with the text
    coverage: list[Coverage]


class RunDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One task, by its id: its states on all workers that have it, or had it."""

    now: UnixTime
    sightings: list[Sighting]  #: where it runs or waits first, then the latest; empty if nothing is known
    coverage: Coverage


class QueueDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One queue, its workers, its running tasks and its charts.

    The row of a queue that is known but in no use has zeros.
    """

    now: UnixTime
    queue: Queue
    workers_needed: int | None  #: to finish its tasks within the target of the query; null if not known
    exact: ExactAge | None  #: only on request
    checks: list[Check]
    runs: list[RunningTask]
    steps: list[Step]
    levels: list[Level]
    marks: list[Mark]


class WorkerDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, its queues, its running tasks, its last reports and its charts."""

    now: UnixTime
    worker: Worker
    recording: list[Sample]  #: oldest first
    checks: list[Check]
    runs: list[RunningTask]
    steps: list[Step]
    levels: list[Level]
    marks: list[Mark]
    ending: Ending | None  #: null while the worker runs, and the instance before it did not end with tasks
    last_reports: list[Sample]  #: of the instance of `ending`, oldest first
    last_tasks: list[RunningTask]  #: that ran in its last report, at most 500


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """Which worker serves which queue."""

    now: UnixTime
    matrix: list[MatrixRow]
    matrix_queues: list[MatrixQueue]


class TaskDetail(msgspec.Struct, frozen=True, kw_only=True):
    """All tasks of one name, those that run, and their charts."""

    now: UnixTime
    task: Task
    runs: list[RunningTask]
    steps: list[Step]
    marks: list[Mark]


class FailureList(msgspec.Struct, frozen=True, kw_only=True):
    """Groups of failures that look alike; the one that failed last is first."""

    now: UnixTime
    failures: list[FailureGroup]  #: at most 500 of each source
    failure_totals: list[FailureTotals]


class FailureDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One group of failures, and its 20 latest ones."""

    now: UnixTime
    failure: FailureGroup
    cases: list[Failure]


class StepList(msgspec.Struct, frozen=True, kw_only=True):
    """The points of the charts of one subject, and their marks."""

    now: UnixTime
    steps: list[Step]
    levels: list[Level]  #: empty for tasks
    marks: list[Mark]


class ActivityList(msgspec.Struct, frozen=True, kw_only=True):
    """Commands that users of this dashboard have sent, the newest first; at most 500."""

    now: UnixTime
    activity: list[Activity]


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A browser in which a user has logged in."""

    id: str  #: to end it; gives no access
    user: str
    is_own: bool  #: it is the session of this request
    is_admin: bool
    client: str  #: address at the login; a reverse proxy's if one is used
    browser: str  #: its User-Agent at the login
    started_at: UnixTime
    used_at: UnixTime  #: last request or event
    ends_at: UnixTime


class SessionList(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions of the user, for an admin those of all users; newest first."""

    now: UnixTime
    sessions: list[SessionRow]


class SessionCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session to end."""

    id: str
