"""The web application: POST /orders/{order_id} sends a task, /workers reads the view, /gossip is the dashboard."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from celery_gossip import DroppedEvents, FindingEvent, Listener, WorkerEvent
from celery_gossip.web import Dashboard, WebOptions
from shop.celery import app as celery_app
from shop.celery import confirm

logger = logging.getLogger("uvicorn.error")

# The dashboard and this application share one listener: one subscription for each server process.
listener = Listener(celery_app)
# Without `auth` every client that can connect reads it: serve it on loopback, or behind a proxy that authenticates.
dashboard = Dashboard([listener], WebOptions(hosts=("localhost", "127.0.0.1")))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Listen while the server runs."""
    await dashboard.startup()  # starts the listener, too
    follower = asyncio.create_task(follow())
    yield
    follower.cancel()
    with suppress(asyncio.CancelledError):
        await follower
    await dashboard.shutdown()


async def follow() -> None:
    """Log changes of workers, and findings."""
    async for event in listener.events():
        match event:
            case WorkerEvent(name=name, worker=worker):
                logger.info("gossip: %s %s", worker.hostname, name)
            case FindingEvent(name=name, finding=finding):
                logger.warning("gossip: %s %s: %s", name, finding.kind, finding.text)
            case DroppedEvents(count=count):
                logger.warning("gossip: %d events dropped", count)


app = FastAPI(title="shop", lifespan=lifespan)


@app.post("/orders/{order_id}", status_code=202)
def order(order_id: int) -> dict[str, str]:
    """Send the task that confirms this order."""
    return {"task": confirm.delay(order_id).id}


@app.get("/workers")
def workers() -> list[dict[str, object]]:
    """Return the state of each worker, as the listener knows it now."""
    return [
        {"hostname": worker.hostname, "state": worker.state, "active": worker.active, "queues": worker.queues}
        for worker in listener.view().workers
    ]


@app.get("/gossip", include_in_schema=False)
def to_dashboard() -> RedirectResponse:
    """Add the slash that the relative addresses of the page need."""
    return RedirectResponse("/gossip/")


app.mount("/gossip", dashboard)
