"""A dashboard in this process, of whatever a test puts in a listener's place; on a thread, without a broker."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from celery_gossip.web.api import Api
from celery_gossip.web.asset import Assets
from celery_gossip.web.board import Board
from celery_gossip.web.guard import Guard
from celery_gossip.web.look import Watch
from tests.support.brokers import free_port

__all__ = ["hosted"]

TURN = 0.1  #: seconds


@contextmanager
def hosted(watches: Sequence[Watch], turn: Callable[[], None] = lambda: None) -> Iterator[str]:
    """Its address; `turn` is called ten times a second, between two requests."""
    port, is_started, is_over = free_port(), threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(lambda: asyncio.run(_serve(watches, port, turn, (is_started, is_over))))
        try:
            assert is_started.wait(10) or serving.result(0), "it does not listen"
            yield f"http://127.0.0.1:{port}/"
        finally:
            is_over.set()
            serving.result(10)


async def _serve(
    watches: Sequence[Watch],
    port: int,
    turn: Callable[[], None],
    events: tuple[threading.Event, threading.Event],
) -> None:
    is_started, is_over = events
    board = Board(watches)
    routes = Starlette(routes=[*Api(board).routes(), *Assets().routes()])
    guard = Guard(routes, frozenset({"127.0.0.1"}), None)
    server = uvicorn.Server(uvicorn.Config(guard, port=port, log_level="warning", lifespan="off"))
    board.start()
    serving = asyncio.create_task(server.serve())
    while not (is_over.is_set() or serving.done()):
        turn()
        if server.started:
            is_started.set()
        await asyncio.sleep(TURN)
    await board.stop()
    server.should_exit = True
    await serving
