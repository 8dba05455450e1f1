"""A dashboard in memory. Every response to its clients is checked against the document and the declared types."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from typing import Any

import httpx
import msgspec
from starlette.responses import Response
from starlette.routing import compile_path

from celery_gossip.control.command import PERMISSIONS
from celery_gossip.control.control import Control, ControlTarget
from celery_gossip.web.api import Api
from celery_gossip.web.auth import Auth, AuthChain, BasicAuth, OidcAuth
from celery_gossip.web.broadcaster import Broadcaster
from celery_gossip.web.login.handler import Login
from celery_gossip.web.login.option import OidcOptions
from celery_gossip.web.login.provider import Provider
from celery_gossip.web.monitoring import Monitoring
from celery_gossip.web.operation import JSON, Operation
from celery_gossip.web.response import Error
from celery_gossip.web.route_table import RouteTable
from celery_gossip.web.security import REFUSALS
from celery_gossip.web.static import Assets
from tests.web.fake_fleet import FakeFleet

__all__ = ["ANN", "HOSTS", "MAX_SIZE", "MAX_UNCOMPRESSED_SIZE", "FakeApp", "Served", "stream_events"]

ANN = ("ann", "correct horse")
MAX_SIZE = 200_000  #: bytes of the page and all its files, as transferred
MAX_UNCOMPRESSED_SIZE = 400_000  #: bytes of the same, uncompressed
HOSTS = frozenset({"127.0.0.1", "gossip.example"})


class FakeControl:
    """Celery's remote control, as far as the dashboard uses it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any, list[str]]] = []
        self.error: Exception | None = None
        self.reply: Any = None  #: in place of "ok"
        self.is_silent = False  #: no worker replies in time

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def send(*, destination: list[str], **options: Any) -> list[dict[str, Any]] | None:
            if self.error is not None:
                raise self.error
            assert options.pop("timeout") <= 2 and options.pop("connection") is not None
            is_replied = options.pop("reply") and not self.is_silent
            self.sent.append((name, options, destination))
            return [{host: self.reply or {"ok": f"{name} done"}} for host in destination] if is_replied else None

        return send


class FakeApp:
    """A Celery app, as far as the dashboard uses it."""

    def __init__(self) -> None:
        self.control = FakeControl()


class Served:
    """A dashboard of one fake fleet. close() it."""

    def __init__(self, *, has_control: bool = False, has_auth: bool = False) -> None:
        self.fleet = FakeFleet()
        self.app = FakeApp()
        self.purged: list[str] = []
        control = self.make_control() if has_control else None
        sampler = self.fleet.sampler()
        if control is not None:
            sampler.activity = control.log.latest
        self.broadcaster = Broadcaster([sampler], clock=self.fleet.clock)
        self.control = control
        self.api = Api(self.broadcaster, control)
        self.monitoring = Monitoring(self.broadcaster, {"0": lambda: b"up 1\n"})
        self.login = Login()
        self.table = RouteTable(self.api, self.monitoring, Assets())
        self.serve(BasicAuth(dict([ANN])) if has_auth or has_control else None)

    def serve(self, auth: Auth | None) -> None:
        """Serve with another authentication from now on."""
        self.application = self.table.application(HOSTS, auth)

    def serve_logins(self, options: OidcOptions, *others: Auth, clock: Callable[[], float] = time.monotonic) -> None:
        """Serve with logins, beside other authentication, from now on."""
        self.login = Login(options, clock, Provider(options, timeout=60.0))
        self.table = RouteTable(self.api, self.monitoring, Assets(), self.login)
        self.application = self.table.application(HOSTS, AuthChain((OidcAuth(options), *others)))

    def make_control(self) -> Control:
        def purge(queue: str) -> int:
            if self.app.control.error is not None:
                raise self.app.control.error
            self.purged.append(queue)
            return 12

        target = ControlTarget(
            app=self.app,
            connect=lambda: nullcontext(object()),
            view=self.fleet.view,
            knows_queue=self.fleet.knows_queue,
            purge=purge,
        )
        return Control({"0": target}, frozenset(PERMISSIONS), clock=self.fleet.clock)

    def close(self) -> None:
        for owner in (self.api, self.monitoring, self.broadcaster, self.control):
            if owner is not None:
                owner.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self.request_async(method, path, **options))

    async def request_async(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5556") as client:
            response = await client.request(method, path, **options)
        assert_declared(self.table, method, response)
        return response

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def send_command(self, query: str = "", **command: Any) -> httpx.Response:
        headers = {"X-Gossip-CSRF": self.api.csrf, "Origin": "http://127.0.0.1:5556"}
        return self.request("POST", f"/api/control{query}", json={"source": "0", **command}, headers=headers, auth=ANN)


def assert_declared(table: RouteTable, method: str, response: httpx.Response) -> None:
    """Check that the document has this status and media type, and that the body is of the declared type."""
    operations = operations_at(table, response.request.url.path)
    operation = next((one for one in operations if one.method == ("GET" if method == "HEAD" else method)), None)
    if operation is None:
        assert response.status_code == 405 or response.status_code in REFUSALS
        operation = operations[0]
    responses = table.document["paths"][operation.document_path][operation.method.lower()]["responses"]
    documented = responses[str(response.status_code)]["content"]
    media_type = base_type(response.headers["content-type"])
    assert media_type in map(base_type, documented), (media_type, documented)
    if media_type == JSON and method != "HEAD":
        is_success = response.status_code == operation.status
        assert_type(response.content, operation.result if is_success else Error)


def operations_at(table: RouteTable, path: str) -> list[Operation]:
    """Return the operations of the first path that matches, as Starlette finds it; the last one's if none matches."""
    matches = (one.path for one in table.operations if compile_path(one.path)[0].match(path))
    first = next(matches, table.operations[-1].path)
    return [one for one in table.operations if one.path == first]


def base_type(media_type: str) -> str:
    return media_type.partition(";")[0].strip()


def assert_type(body: bytes, expected: Any) -> None:
    """Check that the body has all fields of this type, of the right types, and no others."""
    assert expected is not Response
    decoded = msgspec.json.decode(body, type=expected)
    assert json.loads(msgspec.json.encode(decoded)) == json.loads(body)


async def stream_events(broadcaster: Broadcaster, *topics: str, last_id: str = "") -> AsyncIterator[dict[str, Any]]:
    """Yield the data of every "tables" event with its id."""
    async for chunk in broadcaster.events(topics, last_id):
        lines = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines())
        if lines.get("event") == "tables":
            yield {"id": lines["id"], **json.loads(lines["data"])}
