"""Api: the routes under /api, and what monitors ask. Everything that the page shows is here, too.

Called by Starlette on its event loop; what waits (remote control, rendering metrics) goes to a thread.
"""

import asyncio
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from celery_gossip.web import overview, table
from celery_gossip.web.board import MOST_TOPICS, Board, Crowded
from celery_gossip.web.control import Act, Control, NobodyMeant
from celery_gossip.web.guard import USER
from celery_gossip.web.look import Look
from celery_gossip.web.openapi import described
from celery_gossip.web.subject import LONGEST, steps_of, tables_of
from celery_gossip.web.topic import Subject, parse

__all__ = ["Api"]

_MOST_BODY = 10_000  #: bytes of an act
_WINDOW = 600.0  #: seconds of a chart, where none are named
_NO_STORE = {"Cache-Control": "no-store"}
_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  #: or nginx would hold it back


@dataclass
class Api:
    """Its routes, around a board."""

    board: Board
    control: Control | None = None  #: None: nobody may
    metrics: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)  #: by source, what Prometheus is told
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def routes(self) -> list[Route]:
        lists: list[tuple[str, Callable[[Any], Mapping[str, Any]]]]
        lists = [("queues", table.queues), ("workers", table.workers), ("tasks", table.tasks)]
        return [
            Route("/api/config", self._config),
            Route("/api/openapi.json", self._openapi),
            Route("/api/overview", self._overview),
            Route("/api/events", self._events),
            Route("/api/steps", self._steps),
            Route("/api/control", self._control, methods=["POST"]),
            *(Route(f"/api/{name}", self._list(name, make)) for name, make in lists),
            *(Route(f"/api/{name}/{{source}}/{{name:path}}", self._one(name[:-1])) for name, _ in lists),
            Route("/api/{rest:path}", _nothing_here),
            Route("/metrics", self._metrics),
            Route("/healthz", self._health),
        ]

    async def _config(self, request: Request) -> Response:
        may_control = self.control is not None and bool(request.scope[USER])
        return _json(
            version=version("celery-gossip"),
            boot=self.board.boot,
            may_control=may_control,
            csrf=self.csrf if may_control else "",
        )

    async def _openapi(self, request: Request) -> Response:
        return _json(**described())

    async def _overview(self, request: Request) -> Response:
        looks = list((await self.board.looks()).values())
        return _dated(
            sources=list(overview.sources(looks).values()),
            totals=list(overview.totals(looks).values()),
            findings=list(overview.findings(looks).values()),
        )

    def _list(self, name: str, make: Callable[[Any], Mapping[str, Any]]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            looks = (await self.board.looks()).values()
            rows = await asyncio.to_thread(make, looks)  # of a thousand workers it takes its time
            return _dated(**{name: list(rows.values())})

        return answer

    def _one(self, kind: str) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            looks, listeners = await self.board.looks(), self.board.listeners
            subject = Subject(kind, request.path_params["source"], request.path_params["name"])
            tables = await asyncio.to_thread(tables_of, subject, looks, listeners)
            (row, *_) = (*tables[kind].values(), None)
            if row is None:
                return _error(404, f"this {kind} is not in the view")
            return _dated(**{kind: row}, **{name: list(tables[name].values()) for name in tables if name != kind})

        return answer

    async def _steps(self, request: Request) -> Response:
        try:
            subject = parse(request.query_params.get("of", "pace:"))
            window = float(request.query_params.get("window", _WINDOW))
            if subject.kind not in ("pace", "queue", "worker", "task") or not 0 < window <= LONGEST:
                raise ValueError(f"of and window: expected what has a chart, and seconds up to {LONGEST:.0f}")
        except ValueError as exc:
            return _error(400, str(exc))
        looks = await self.board.looks()
        steps = await asyncio.to_thread(steps_of, subject, looks, self.board.listeners, window)
        return _dated(steps=list(steps.values()))

    async def _events(self, request: Request) -> Response:
        topics = request.query_params.getlist("topic")
        if not 1 <= len(topics) <= MOST_TOPICS:
            return _error(400, f"topic: expected one to {MOST_TOPICS}")
        stream = self.board.events(topics, request.headers.get("last-event-id", ""))
        try:
            first = await anext(stream)
        except ValueError as exc:
            return _error(400, str(exc))
        except Crowded:
            return _error(503, "too many viewers")
        return StreamingResponse(_from(first, stream), media_type="text/event-stream", headers=_STREAM)

    async def _control(self, request: Request) -> Response:
        user = request.scope[USER]
        if self.control is None or not user:
            return _error(403, "control is off: see --allow-control")
        if not hmac.compare_digest(request.headers.get("x-gossip-csrf", "").encode(), self.csrf.encode()):
            return _error(403, "X-Gossip-CSRF: expected the token of api/config")
        act = await _act_in(request)
        if isinstance(act, Response):
            return act
        look = (await self.board.looks()).get(act.source)
        if look is None:
            return _error(404, "source: no such app is watched here")
        return await self._ask(self.control, act, look, user)

    async def _ask(self, control: Control, act: Act, look: Look, user: str) -> Response:
        try:
            answers = await asyncio.to_thread(control.ask, act, look, user)
        except NobodyMeant as exc:
            return _error(404, str(exc))
        except ValueError as exc:
            return _error(400, str(exc))
        except Exception as exc:  # the transport's: whatever they are
            return _error(502, f"the workers cannot be asked: {type(exc).__name__}")
        return _json(202, **answers)

    async def _metrics(self, request: Request) -> Response:
        source = request.query_params.get("source", next(iter(self.metrics), ""))
        render = self.metrics.get(source)
        if render is None:
            return PlainTextResponse('no metrics: pip install "celery-gossip[prometheus]"\n', 501)
        body = await asyncio.to_thread(render)
        return Response(body, headers=_NO_STORE, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _health(self, request: Request) -> Response:
        looks = await self.board.looks()
        deaf = [one for one in looks.values() if not one.is_connected or one.view.isolated_since is not None]
        if deaf:
            return PlainTextResponse("isolated: a broker is not heard\n", 503, headers=_NO_STORE)
        return PlainTextResponse("ok\n", headers=_NO_STORE)


async def _act_in(request: Request) -> Act | Response:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _error(415, "expected application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY:
            return _error(413, "too long")
    try:
        return msgspec.json.decode(body, type=Act)
    except (ValueError, RecursionError) as exc:
        return _error(400, str(exc)[:300])


async def _from(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for event in rest:
        yield event


async def _nothing_here(request: Request) -> Response:
    return _error(404, "no such route; see api/openapi.json")


def _dated(**fields: Any) -> Response:
    return _json(now=round(time.time(), 1), **fields)


def _json(status: int = 200, /, **fields: Any) -> Response:
    return Response(msgspec.json.encode(fields), status, headers=_NO_STORE, media_type="application/json")


def _error(status: int, text: str) -> Response:
    return _json(status, error=text)
