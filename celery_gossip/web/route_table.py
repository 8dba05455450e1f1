"""Route table: every route of the dashboard. Starlette's routes and the OpenAPI document are both built from it."""

from functools import cached_property
from typing import Any

from starlette.applications import Starlette
from starlette.responses import Response

from celery_gossip.control.command import Command
from celery_gossip.web.api import Api
from celery_gossip.web.auth import Auth
from celery_gossip.web.endpoint import starlette_routes, unknown_path
from celery_gossip.web.login.handler import Login
from celery_gossip.web.login.route import login_operations
from celery_gossip.web.monitoring import METRICS_MEDIA_TYPE, Monitoring
from celery_gossip.web.openapi import openapi_document
from celery_gossip.web.operation import EVENT_STREAM, TEXT, Access, Call, Handler, Operation, Parameter
from celery_gossip.web.parameter import (
    ACTIVITY,
    CHART_SUBJECT,
    CSRF_TOKEN,
    EXACT,
    FILE,
    GROUPING,
    LAST_EVENT_ID,
    METRICS_SOURCE,
    MIN_AGE,
    NAME,
    NAME_IN_QUERY,
    PAGE,
    PREVIEW,
    QUEUE,
    QUEUE_PART,
    SEARCH_TEXT,
    SLOTS,
    SOURCE,
    SOURCE_IN_QUERY,
    STATIC_VERSION,
    TARGET_SECONDS,
    TASK,
    TASK_PART,
    TASK_STATE,
    TOPICS,
    WINDOW,
    WORKER,
    WORKER_PART,
)
from celery_gossip.web.response import (
    ActivityList,
    BalanceList,
    BeatList,
    Config,
    ControlReply,
    FailureDetail,
    FailureList,
    ListedTasks,
    Matrix,
    Overview,
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
from celery_gossip.web.security import Security
from celery_gossip.web.static import MEDIA_TYPES, Assets

__all__ = ["RouteTable"]

_NOT_IN_VIEW = {404: "It is not known."}
_EVENTS = (
    "The data of an event `tables` is `{now, topics: {topic: {full, tables: {table: {set, del}}}}}`. `set` maps keys "
    "to new rows or to the fields that changed, and `del` lists the keys of removed rows; with `full`, the client "
    "discards its previous tables of the topic. The event `over` is sent when the server stops."
)
_COMMANDS = (
    "`act` names the command. It is sent to the live workers that match, or to those of `hostnames` that do. `refused` "
    "says why a worker was left out. An answer is what the worker replied within two seconds; `errors` lists the "
    "workers whose answer is an error. Whether the next reports show the effect is in `/api/activity`, under the "
    "number `activity`."
)


class RouteTable:
    """The operations of a dashboard, in the order in which their paths are matched."""

    def __init__(self, api: Api, monitoring: Monitoring, assets: Assets, login: Login | None = None) -> None:
        self._api = api
        self._login = login or Login()
        self.operations = (
            *_list_operations(api),
            *_detail_operations(api),
            *_live_operations(api),
            self._document_operation(),
            *_monitoring_operations(monitoring),
            *login_operations(self._login, assets),
            *_page_operations(assets),
        )

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return openapi_document(self.operations)

    def application(self, hosts: frozenset[str], auth: Auth | None) -> Security:
        """Return the ASGI application that serves these operations and no others."""
        routes = starlette_routes(self.operations, self._api.require_control)
        public = frozenset(operation.path for operation in self.operations if operation.access is Access.PUBLIC)
        application = Starlette(routes=routes, exception_handlers={404: unknown_path})
        return Security(application, hosts, auth, public, self._login)

    async def _serve_document(self, call: Call) -> dict[str, Any]:
        return self.document

    def _document_operation(self) -> Operation:
        return Operation(
            method="GET",
            path="/api/openapi.json",
            handler=self._serve_document,
            summary="This document",
            result=dict[str, Any],
        )


def _list_operations(api: Api) -> list[Operation]:
    return [
        Operation(
            method="GET",
            path="/api/config",
            handler=api.config,
            summary="Version, and the commands that the user may send to workers",
            result=Config,
        ),
        Operation(
            method="GET",
            path="/api/overview",
            handler=api.overview,
            summary="Watched apps, totals and findings",
            result=Overview,
        ),
        Operation(method="GET", path="/api/queues", handler=api.queues, summary="All queues", result=QueueList),
        Operation(method="GET", path="/api/workers", handler=api.workers, summary="All workers", result=WorkerList),
        Operation(
            method="GET",
            path="/api/tasks",
            handler=api.tasks,
            summary="Tasks that run or were counted in the last minute, by name",
            result=TaskList,
        ),
        Operation(
            method="GET",
            path="/api/matrix",
            handler=api.matrix,
            summary="Which worker serves which queue, with slots and load",
            result=Matrix,
            parameters=(GROUPING,),
        ),
        Operation(
            method="GET",
            path="/api/balance",
            handler=api.balance,
            summary="Tasks that were sent to each queue, and what became of them",
            result=BalanceList,
        ),
        Operation(
            method="GET",
            path="/api/beats",
            handler=api.beats,
            summary="Beat processes, and the entries of their schedules, problems first",
            result=BeatList,
        ),
        Operation(
            method="GET",
            path="/api/failures",
            handler=api.failures,
            summary="The last failures, grouped by task, exception and code line",
            result=FailureList,
            parameters=(TASK, QUEUE, WORKER),
        ),
        Operation(
            method="GET",
            path="/api/running",
            handler=api.running_tasks,
            summary="Running tasks, the longest running first",
            result=RunningTaskList,
            parameters=(TASK, QUEUE, WORKER),
        ),
        Operation(
            method="GET",
            path="/api/runs",
            handler=api.runs,
            summary="Tasks that run, or wait in workers, the longest first",
            result=ListedTasks,
            parameters=(SOURCE_IN_QUERY, TASK_STATE, TASK_PART, QUEUE_PART, WORKER_PART, MIN_AGE),
        ),
        Operation(
            method="GET",
            path="/api/search",
            handler=api.search,
            summary="Find a task by its id, and tasks, queues and workers by their names",
            result=SearchResult,
            parameters=(SEARCH_TEXT,),
        ),
        Operation(
            method="GET",
            path="/api/activity",
            handler=api.activity,
            summary="Commands that users of this dashboard have sent, with their outcome, the newest first",
            result=ActivityList,
            parameters=(ACTIVITY,),
        ),
    ]


def _detail_operations(api: Api) -> list[Operation]:
    details: tuple[tuple[str, Handler, str, Any, tuple[Parameter[Any], ...]], ...] = (
        ("queues", api.queue, "One queue", QueueDetail, (TARGET_SECONDS, SLOTS, EXACT)),
        ("workers", api.worker, "One worker", WorkerDetail, ()),
        ("tasks", api.task, "All tasks of one name", TaskDetail, ()),
        ("failures", api.failure, "One group of failures, by its key", FailureDetail, ()),
        ("runs", api.run, "What is known about one task, by its id", RunDetail, ()),
    )
    return [
        Operation(
            method="GET",
            path=f"/api/{name}/{{source}}/{{name:path}}",
            handler=handler,
            summary=summary,
            result=result,
            parameters=(SOURCE, NAME, NAME_IN_QUERY, *parameters),
            errors=_NOT_IN_VIEW,
        )
        for name, handler, summary, result, parameters in details
    ]


def _live_operations(api: Api) -> list[Operation]:
    return [
        Operation(
            method="GET",
            path="/api/steps",
            handler=api.steps,
            summary="Throughput, levels and marks over time",
            result=StepList,
            parameters=(CHART_SUBJECT, WINDOW),
        ),
        Operation(
            method="GET",
            path="/api/events",
            handler=api.events,
            summary="Changes of tables as server-sent events",
            result=Response,
            details=_EVENTS,
            media_types=(EVENT_STREAM,),
            parameters=(TOPICS, LAST_EVENT_ID),
            errors={503: "No place is left for an event stream."},
        ),
        Operation(
            method="POST",
            path="/api/control",
            handler=api.send_command,
            summary="Send a command to workers, or purge a queue",
            result=ControlReply,
            details=_COMMANDS,
            status=202,
            parameters=(CSRF_TOKEN, PREVIEW),
            body=Command,
            errors={
                404: "No live worker matches, or the queue is not known.",
                409: "No worker that matches can obey, because of its pool or its settings.",
                502: "The broker cannot be reached, or does not answer.",
            },
            access=Access.CONTROL,
        ),
    ]


def _monitoring_operations(monitoring: Monitoring) -> list[Operation]:
    return [
        Operation(
            method="GET",
            path="/metrics",
            handler=monitoring.render_metrics,
            summary="Metrics for Prometheus",
            result=Response,
            tag="monitoring",
            media_types=(METRICS_MEDIA_TYPE,),
            parameters=(METRICS_SOURCE,),
            errors={404: "No watched app has this number.", 501: "The Prometheus client is not installed."},
            error_media_type=TEXT,
        ),
        Operation(
            method="GET",
            path="/healthz",
            handler=monitoring.check_health,
            summary="Health: reports are received from every broker",
            result=Response,
            tag="monitoring",
            media_types=(TEXT,),
            errors={503: "A listener is not connected, is isolated, or has ended."},
            error_media_type=TEXT,
            access=Access.PUBLIC,
        ),
    ]


def _page_operations(assets: Assets) -> list[Operation]:
    return [
        Operation(
            method="GET",
            path="/static/{version}/{name}",
            handler=assets.file,
            summary="A file of the page",
            result=Response,
            tag="page",
            media_types=tuple(MEDIA_TYPES[extension] for extension in ("css", "js", "svg")),
            parameters=(STATIC_VERSION, FILE),
            errors={404: "There is no such file."},
        ),
        Operation(
            method="GET",
            path="/{page:path}",
            handler=assets.page,
            summary="The page; a script in it reads the path",
            result=Response,
            tag="page",
            media_types=(MEDIA_TYPES["html"],),
            parameters=(PAGE,),
            errors={404: "There is no such path of the API and no such file."},
        ),
    ]
