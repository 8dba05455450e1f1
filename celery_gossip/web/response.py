"""Responses: the JSON bodies of the API, one type per kind of response. Frozen; described by the OpenAPI document.

A response contains `now`, the server's time, because every time in a row is one of the server's clock.
"""

import msgspec

from celery_gossip.web.schema import (
    Balance,
    Beat,
    Check,
    Entry,
    ExactAge,
    Failure,
    FailureGroup,
    FailureTotals,
    Finding,
    Queue,
    RunningTask,
    Sample,
    Source,
    Step,
    Task,
    Totals,
    UnixTime,
    Worker,
)

__all__ = [
    "BalanceList",
    "BeatList",
    "Config",
    "ControlReply",
    "Error",
    "FailureDetail",
    "FailureList",
    "Overview",
    "OwnSession",
    "QueueDetail",
    "QueueList",
    "RunningTaskList",
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
    may_control: bool
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


class WorkerDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, its queues, its running tasks, its last reports and its charts."""

    now: UnixTime
    worker: Worker
    recording: list[Sample]  #: oldest first
    checks: list[Check]
    runs: list[RunningTask]
    steps: list[Step]


class TaskDetail(msgspec.Struct, frozen=True, kw_only=True):
    """All tasks of one name, those that run, and their charts."""

    now: UnixTime
    task: Task
    runs: list[RunningTask]
    steps: list[Step]


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
    """The points of one chart."""

    now: UnixTime
    steps: list[Step]


class ControlReply(msgspec.Struct, frozen=True, kw_only=True):
    """The workers that a command was sent to, and the replies that arrived within two seconds."""

    asked: list[str]  #: hostnames
    answers: dict[str, str]  #: `{hostname: reply}`


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
