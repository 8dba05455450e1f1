"""The dashboard mounted in another ASGI application."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from celery_gossip import Listener
from celery_gossip.web import Dashboard, WebOptions
from tests.integration.corner import corner_of


def test_it_starts_at_the_first_request_and_leaves_no_thread_after_shutdown(tmp_path: Path) -> None:
    corner = corner_of("memory", tmp_path)
    before = set(threading.enumerate())

    async def visit() -> tuple[httpx.Response, httpx.Response, httpx.Response]:
        dashboard = Dashboard([Listener(corner.app, corner.options)], WebOptions(hosts=("shop.example",)))
        shop = Starlette(routes=[Mount("/ops", dashboard)])
        transport = httpx.ASGITransport(app=shop)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            answers = [await client.get(path) for path in ("/ops/queues", "/ops/api/overview", "/elsewhere")]
        await dashboard.shutdown()
        return answers[0], answers[1], answers[2]

    page, overview, elsewhere = asyncio.run(visit())
    assert '<base href="/ops/">' in page.text
    assert overview.json()["sources"][0]["app"] == "shop"
    assert elsewhere.status_code == 404
    assert not [one for one in set(threading.enumerate()) - before if "gossip" in one.name]


def test_it_is_started_again_by_a_second_lifespan_and_on_another_loop(tmp_path: Path) -> None:
    corner = corner_of("memory", tmp_path)
    listener = Listener(corner.app, corner.options)
    dashboard = Dashboard([listener])

    async def visit(*, is_shut_down: bool) -> None:
        await dashboard.startup()
        transport = httpx.ASGITransport(app=dashboard)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            give_up_at = asyncio.get_running_loop().time() + 10
            while (await client.get("/healthz")).status_code != 200:
                assert asyncio.get_running_loop().time() < give_up_at
                await asyncio.sleep(0.1)
            corner.say(hostname=f"celery@{is_shut_down}")
            while not (await client.get("/api/workers")).json()["workers"]:
                assert asyncio.get_running_loop().time() < give_up_at
                await asyncio.sleep(0.1)
        if is_shut_down:
            await dashboard.shutdown()

    threads = []
    for is_shut_down in (True, True, False, False, True):  # a loop may end without a shutdown, as a test client's does
        asyncio.run(visit(is_shut_down=is_shut_down))
        assert listener.is_alive is not is_shut_down
        threads.append([one.name for one in threading.enumerate() if one.name.startswith("celery-gossip-board")])
    assert list(map(len, threads)) == [0, 0, 1, 1, 0], "each loop ends the threads of the one before it"


def test_it_is_not_healthy_when_the_thread_of_its_listener_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class GreenletExit(BaseException):
        """Named like the exception of gevent and eventlet."""

    def end(*_: object, **__: object) -> None:
        raise GreenletExit

    corner = corner_of("memory", tmp_path)
    listener = Listener(corner.app, corner.options)

    async def visit() -> tuple[httpx.Response, httpx.Response]:
        dashboard = Dashboard([listener])
        transport = httpx.ASGITransport(app=dashboard)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            while (await client.get("/healthz")).status_code != 200:
                await asyncio.sleep(0.1)
            monkeypatch.setattr(listener._checks, "run", end)
            while (health := await client.get("/healthz")).status_code == 200:
                await asyncio.sleep(0.1)
            overview = await client.get("/api/overview")
        await dashboard.shutdown()
        return health, overview

    health, overview = asyncio.run(asyncio.wait_for(visit(), 20))
    assert health.status_code == 503
    (finding,) = overview.json()["findings"]
    assert finding["kind"] == "isolated" and "its thread has ended (GreenletExit: )" in finding["text"]
    assert overview.json()["sources"][0]["is_connected"] is False


def test_a_websocket_is_closed_and_raises_nothing_into_the_application(tmp_path: Path) -> None:
    corner = corner_of("memory", tmp_path)
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def connect() -> None:
        dashboard = Dashboard([Listener(corner.app, corner.options)])
        shop = Starlette(routes=[Mount("/ops", dashboard)])
        await shop({"type": "websocket", "path": "/ops/ws", "headers": []}, receive, send)
        await dashboard.shutdown()

    asyncio.run(connect())
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


def test_a_viewer_that_does_not_read_is_dropped_by_any_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.web.security.WRITE_TIMEOUT", 0.1)
    corner = corner_of("memory", tmp_path)

    async def receive() -> dict[str, str]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)  # like a server whose buffers are full

    async def sampler() -> int:
        dashboard = Dashboard([Listener(corner.app, corner.options)])
        scope = {"type": "http", "method": "GET", "path": "/api/events", "query_string": b"topic=fleet"}
        scope |= {"headers": [(b"host", b"localhost")], "scheme": "http", "client": ("10.0.0.1", 1), "root_path": ""}
        await asyncio.wait_for(dashboard(scope, receive, send), 10)
        await asyncio.sleep(0.1)
        assert dashboard._broadcaster is not None
        viewers = len(dashboard._broadcaster._viewers)
        await dashboard.shutdown()
        return viewers

    assert asyncio.run(sampler()) == 0
