"""The dashboard within somebody else's ASGI application."""

import asyncio
import threading
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from celery_gossip import Listener
from celery_gossip.web import Dashboard, WebOptions
from tests.integration.corner import corner_of


def test_it_starts_when_it_is_first_asked_and_leaves_nothing_when_it_is_shut_down(tmp_path: Path) -> None:
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

    page, told, elsewhere = asyncio.run(visit())
    assert '<base href="/ops/">' in page.text
    assert told.json()["sources"][0]["app"] == "shop"
    assert elsewhere.status_code == 404
    assert not [one for one in set(threading.enumerate()) - before if "gossip" in one.name]
