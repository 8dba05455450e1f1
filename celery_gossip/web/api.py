"""Api: the handlers of the routes under /api. The page shows nothing that is not here.

Called on the server's event loop; whatever blocks (remote control, tables of large fleets) runs on a thread.
"""

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import islice
from typing import Any, TypeVar

from starlette.responses import Response

from celery_gossip.control.control import CommandNotAllowed, Control, ControlReply, UnknownSource
from celery_gossip.control.selection import CommandRefused, NoMatchingWorker
from celery_gossip.hosts import client_group
from celery_gossip.web import overview, schedule, table
from celery_gossip.web.broadcaster import Broadcaster, TooManyViewers
from celery_gossip.web.event_stream import STREAM_HEADERS, EventStream
from celery_gossip.web.failure_rows import failure_groups, failure_totals
from celery_gossip.web.login.session import Session
from celery_gossip.web.matrix import matrix_queues, matrix_rows
from celery_gossip.web.operation import EVENT_STREAM, Call, Refused
from celery_gossip.web.parameter import (
    ACTIVITY,
    CHART_SUBJECT,
    CSRF_TOKEN,
    EXACT,
    GROUPING,
    LAST_EVENT_ID,
    MIN_AGE,
    NAME,
    NAME_IN_QUERY,
    PREVIEW,
    QUEUE,
    QUEUE_PART,
    SEARCH_TEXT,
    SLOTS,
    SOURCE,
    SOURCE_IN_QUERY,
    TARGET_SECONDS,
    TASK,
    TASK_PART,
    TASK_STATE,
    TOPICS,
    WINDOW,
    WORKER,
    WORKER_PART,
)
from celery_gossip.web.resource_rows import recording_rows
from celery_gossip.web.response import (
    ActivityList,
    BalanceList,
    BeatList,
    Config,
    FailureDetail,
    FailureList,
    ListedTasks,
    Matrix,
    Overview,
    OwnSession,
    QueueDetail,
    QueueList,
    RunDetail,
    RunningTaskList,
    SearchResult,
    StepList,
    TaskDetail,
    TaskList,
    WorkerDetail,
    WorkerList,
)
from celery_gossip.web.schema import ExactAge, Queue, Worker
from celery_gossip.web.search import run_detail, search
from celery_gossip.web.selection import Selection
from celery_gossip.web.snapshot import Snapshot, Source
from celery_gossip.web.subject import MAX_RUNS, build_charts, build_tables
from celery_gossip.web.task_rows import listed_tasks
from celery_gossip.web.topic import Row, Subject

__all__ = ["Api"]

_TABLE_THREADS = 2  #: that build the tables of single requests; the Broadcaster has its own thread for viewers
_CONTROL_THREADS = 4  #: that wait for the replies of workers
_EXACT_THREADS = 2  #: that read messages on a broker, for a few seconds if it hangs
_MAX_EXACT_READS = 8  #: that wait or run at the same time

_T = TypeVar("_T")


@dataclass
class Api:
    """Handlers of the JSON API and of the event stream."""

    broadcaster: Broadcaster
    control: Control | None = None  #: None: control is off
    task_url: str = ""  #: template of WebOptions
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        self._table_threads = ThreadPoolExecutor(_TABLE_THREADS, "celery-gossip-rows")
        self._exact_threads = ThreadPoolExecutor(_EXACT_THREADS, "celery-gossip-exact")
        self._exact_reads = 0
        self._control_threads = ThreadPoolExecutor(_CONTROL_THREADS, "celery-gossip-control")

    def close(self) -> None:
        """End the threads. Waits for tables that are being built, but not for the replies of workers."""
        self._control_threads.shutdown(wait=False, cancel_futures=True)
        self._exact_threads.shutdown(wait=False, cancel_futures=True)
        self._table_threads.shutdown(cancel_futures=True)

    async def config(self, call: Call) -> Config:
        permissions = sorted(self._permissions_of(call.user))
        return Config(
            version=version("celery-gossip"),
            boot=self.broadcaster.boot,
            may_control=bool(permissions),
            is_controlled=self.control is not None,
            permissions=permissions,
            csrf=self.csrf if permissions else "",
            task_url=self.task_url,
            user=call.user,
            session=_own_session(call.session),
        )

    async def overview(self, call: Call) -> Overview:
        snapshots = list((await self.broadcaster.snapshots()).values())
        return Overview(
            now=_now(),
            sources=list(overview.sources(snapshots).values()),
            totals=list(overview.totals(snapshots).values()),
            findings=list(overview.findings(snapshots).values()),
        )

    async def queues(self, call: Call) -> QueueList:
        return QueueList(now=_now(), queues=await self._rows(table.queues))

    async def workers(self, call: Call) -> WorkerList:
        return WorkerList(now=_now(), workers=await self._rows(table.workers))

    async def tasks(self, call: Call) -> TaskList:
        return TaskList(now=_now(), tasks=await self._rows(table.tasks))

    async def matrix(self, call: Call) -> Matrix:
        rows = await self._rows(partial(matrix_rows, grouping=call[GROUPING]))
        return Matrix(now=_now(), matrix=rows, matrix_queues=await self._rows(matrix_queues))

    async def balance(self, call: Call) -> BalanceList:
        return BalanceList(now=_now(), balance=await self._rows(table.balance))

    async def beats(self, call: Call) -> BeatList:
        return BeatList(now=_now(), beats=await self._rows(schedule.beats), schedule=await self._rows(schedule.entries))

    async def running_tasks(self, call: Call) -> RunningTaskList:
        snapshots = (await self.broadcaster.snapshots()).values()
        selected = partial(table.running_tasks, queue=call[QUEUE], hostname=call[WORKER], task=call[TASK])
        runs = await _on(self._table_threads, selected, snapshots)
        return RunningTaskList(now=_now(), total=len(runs), runs=list(islice(runs.values(), MAX_RUNS)))

    async def runs(self, call: Call) -> ListedTasks:
        selection = Selection(
            source=call[SOURCE_IN_QUERY],
            state=call[TASK_STATE],
            task=call[TASK_PART],
            queue=call[QUEUE_PART],
            worker=call[WORKER_PART],
            min_age=call[MIN_AGE],
        )
        snapshots = (await self.broadcaster.snapshots()).values()
        rows, totals = await _on(self._table_threads, listed_tasks, snapshots, selection)
        return ListedTasks(now=_now(), list_totals=totals, listed=list(rows.values()))

    async def search(self, call: Call) -> SearchResult:
        snapshots = list((await self.broadcaster.snapshots()).values())
        return await _on(self._table_threads, search, snapshots, call[SEARCH_TEXT].strip())

    async def run(self, call: Call) -> RunDetail:
        snapshot = (await self.broadcaster.snapshots()).get(call[SOURCE])
        if snapshot is None:
            raise Refused(404, "source: no watched app has this number")
        return await _on(self._table_threads, run_detail, snapshot, call[NAME] or call[NAME_IN_QUERY])

    async def failures(self, call: Call) -> FailureList:
        snapshots = list((await self.broadcaster.snapshots()).values())
        selected = partial(failure_groups, queue=call[QUEUE], hostname=call[WORKER], task=call[TASK])
        groups = await _on(self._table_threads, selected, snapshots)
        return FailureList(
            now=_now(), failures=list(groups.values()), failure_totals=list(failure_totals(snapshots).values())
        )

    async def queue(self, call: Call) -> QueueDetail:
        name, listener = call[NAME] or call[NAME_IN_QUERY], self.broadcaster.listeners.get(call[SOURCE])
        if listener is None:
            raise Refused(404, "source: no watched app has this number")
        find_demand = partial(listener.demand, name, slots_per_worker=call[SLOTS] or None)
        demand = await _on(self._table_threads, find_demand)
        tables = await self._subject_tables("queue", call, partial(_idle_queue, listener, name, demand.waiting))
        return QueueDetail(
            now=_now(),
            **tables,
            workers_needed=demand.workers_needed(call[TARGET_SECONDS]),
            exact=await self._exact_age(listener, name) if call[EXACT] else None,
        )

    async def worker(self, call: Call) -> WorkerDetail:
        tables = await self._subject_tables("worker", call)
        worker: Worker = tables["worker"]
        tables["ending"] = next(iter(tables["ending"]), None)
        snapshot = (await self.broadcaster.snapshots())[worker.source]
        recording = recording_rows(snapshot, worker.hostname)
        return WorkerDetail(now=_now(), recording=recording, **tables)

    async def task(self, call: Call) -> TaskDetail:
        return TaskDetail(now=_now(), **await self._subject_tables("task", call))

    async def failure(self, call: Call) -> FailureDetail:
        return FailureDetail(now=_now(), **await self._subject_tables("failure", call))

    async def steps(self, call: Call) -> StepList:
        snapshots, listeners = await self.broadcaster.snapshots(), self.broadcaster.listeners
        subject, window = call[CHART_SUBJECT], call[WINDOW]
        tables = await _on(self._table_threads, build_charts, subject, snapshots, listeners, window)
        return StepList(now=_now(), **{name: list(rows.values()) for name, rows in tables.items()})

    async def events(self, call: Call) -> Response:
        if call.request.method == "HEAD":
            return Response(headers=STREAM_HEADERS, media_type=EVENT_STREAM)
        owner = call.user or client_group(call.client)
        topics = call[TOPICS]
        stream = self.broadcaster.events(topics, call[LAST_EVENT_ID], owner)
        try:
            first = await anext(stream)
        except TooManyViewers as exc:
            raise Refused(503, "too many viewers") from exc
        return EventStream(first, stream, call.is_admitted)

    def require_control(self, call: Call) -> None:
        """Raise Refused unless this call may send commands to workers."""
        if not self._permissions_of(call.user):
            raise Refused(403, "control is off, or not for this user: see --allow-control")
        if not hmac.compare_digest(call.request.headers.get(CSRF_TOKEN.name, "").encode(), self.csrf.encode()):
            raise Refused(403, f"{CSRF_TOKEN.name}: expected {CSRF_TOKEN.expected}")

    async def send_command(self, call: Call) -> ControlReply:
        assert self.control is not None  # see require_control
        perform = self.control.preview if call[PREVIEW] else self.control.send
        try:
            return await _on(self._control_threads, perform, call.body, call.user)
        except CommandNotAllowed as exc:
            raise Refused(403, str(exc)) from exc
        except (NoMatchingWorker, UnknownSource) as exc:
            raise Refused(404, str(exc)) from exc
        except CommandRefused as exc:
            raise Refused(409, str(exc)) from exc
        except Exception as exc:  # any error of the transport
            raise Refused(502, f"cannot send to the workers: {type(exc).__name__}") from exc

    async def activity(self, call: Call) -> ActivityList:
        latest = [] if self.control is None else self.control.log.latest()
        return ActivityList(now=_now(), activity=[one for one in latest if call[ACTIVITY] in (0, one.id)])

    def _permissions_of(self, user: str) -> frozenset[str]:
        return self.control.permissions_of(user) if self.control is not None and user else frozenset()

    async def _rows(self, build: Callable[[Any], dict[str, _T]]) -> list[_T]:
        snapshots = (await self.broadcaster.snapshots()).values()
        return list((await _on(self._table_threads, build, snapshots)).values())

    async def _exact_age(self, listener: Source, queue: str) -> ExactAge:
        if self._exact_reads >= _MAX_EXACT_READS:
            return ExactAge(age=None, reason="too many are read at the same time")
        self._exact_reads += 1
        try:
            found = (await _on(self._exact_threads, listener.exact_ages, [queue])).get(queue)
        finally:
            self._exact_reads -= 1
        if found is None:
            return ExactAge(age=None, reason="not read")
        return ExactAge(age=found.age, reason=found.reason)

    async def _subject_tables(
        self, kind: str, call: Call, make_row: Callable[[Snapshot], Row | None] = lambda _: None
    ) -> dict[str, Any]:
        """Return the row under its kind and the other tables as lists.

        `make_row` returns the row of a subject that is not in the view. Raises Refused if there is none.
        """
        snapshots, listeners = await self.broadcaster.snapshots(), self.broadcaster.listeners
        subject = Subject(kind, call[SOURCE], call[NAME] or call[NAME_IN_QUERY])
        tables = await _on(self._table_threads, build_tables, subject, snapshots, listeners)
        row = next(iter(tables[kind].values()), None)
        if row is None and subject.source in snapshots:
            row = make_row(snapshots[subject.source])
        if row is None:
            raise Refused(404, f"this {kind} is not in the view")
        return {name: row if name == kind else list(rows.values()) for name, rows in tables.items()}


def _idle_queue(listener: Source, name: str, backlog: int | None, snapshot: Snapshot) -> Queue | None:
    """Return the row of a queue that is not in the view; None if nothing names it."""
    return table.idle_queue(snapshot, name, backlog) if listener.knows_queue(name) else None


async def _on(executor: Executor, function: Callable[..., _T], *arguments: Any) -> _T:
    return await asyncio.get_running_loop().run_in_executor(executor, function, *arguments)


def _own_session(session: Session | None) -> OwnSession | None:
    if session is None:
        return None
    return OwnSession(id=session.id, csrf=session.csrf, is_admin=session.user.is_admin)


def _now() -> float:
    return round(time.time(), 1)
