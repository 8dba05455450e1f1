"""A dashboard of fake sources on a thread of this process, without a broker."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import uvicorn

from celery_gossip.web.api import Api
from celery_gossip.web.broadcaster import Broadcaster
from celery_gossip.web.monitoring import Monitoring
from celery_gossip.web.route_table import RouteTable
from celery_gossip.web.snapshot import Sampler
from celery_gossip.web.static import Assets
from tests.support.brokers import free_port

__all__ = ["serve_in_thread"]

TURN = 0.1  #: seconds


@contextmanager
def serve_in_thread(
    samplers: Sequence[Sampler], task_url: str = "", *, turn: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """Serve and return the URL; `turn` is called on the loop ten times per second."""
    port, is_started, is_stopping = free_port(), threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(lambda: asyncio.run(_serve(samplers, task_url, port, turn, (is_started, is_stopping))))
        try:
            assert is_started.wait(10) or serving.result(0), "it does not listen"
            yield f"http://127.0.0.1:{port}/"
        finally:
            is_stopping.set()
            serving.result(10)


async def _serve(
    samplers: Sequence[Sampler],
    task_url: str,
    port: int,
    turn: Callable[[], None],
    events: tuple[threading.Event, threading.Event],
) -> None:
    is_started, is_stopping = events
    broadcaster = Broadcaster(samplers)
    api, monitoring = Api(broadcaster, task_url=task_url), Monitoring(broadcaster)
    application = RouteTable(api, monitoring, Assets()).application(frozenset({"127.0.0.1"}), None)
    server = uvicorn.Server(uvicorn.Config(application, port=port, log_level="warning", lifespan="off"))
    broadcaster.start()
    serving = asyncio.create_task(server.serve())
    while not (is_stopping.is_set() or serving.done()):
        turn()
        if server.started:
            is_started.set()
        await asyncio.sleep(TURN)
    await broadcaster.stop()
    server.should_exit = True
    await serving
    for owner in (api, monitoring, broadcaster):
        owner.close()
