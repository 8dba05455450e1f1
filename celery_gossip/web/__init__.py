"""`celery gossip web`: a page that operators leave open. Needs Starlette, and uvicorn to be served: the extra `web`.

`Dashboard` is an ASGI application; mounted in another one it is served by that.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from celery_gossip.broker import open_task_broker
from celery_gossip.listener import Listener
from celery_gossip.web.api import Api
from celery_gossip.web.asset import Assets
from celery_gossip.web.auth import Auth, parse_auth
from celery_gossip.web.board import Board
from celery_gossip.web.control import Control, Remote
from celery_gossip.web.guard import Guard
from celery_gossip.web.look import Watch
from celery_gossip.web.option import WebOptions

__all__ = ["Auth", "Dashboard", "WebOptions", "parse_auth"]


@dataclass
class Dashboard:
    """An ASGI application that shows what listeners hear. It starts them when it is first asked, and closes them.

    Served by itself it follows the ASGI lifespan; mounted in another application (`app.mount("/gossip", Dashboard(…))`)
    that one may call startup() and shutdown(), and need not: the threads end with the process.

    `listeners` are of one app or of several; `metrics` are by their number, "0", "1", and give what Prometheus is told.
    """

    listeners: Sequence[Listener]
    options: WebOptions = field(default_factory=WebOptions)
    metrics: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = {str(number): listener for number, listener in enumerate(self.listeners)}
        self._board: Board | None = None
        self._watches = [Watch(source, str(one.app.main or ""), one) for source, one in named.items()]
        remotes = {source: Remote(one.app, open_task_broker(one.app).connection) for source, one in named.items()}
        self._control = Control(remotes) if self.options.allow_control else None
        self._stack = ExitStack()
        self._app: Guard | None = None
        self._starting = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if self._app is None:
            await self.startup()
        assert self._app is not None
        await self._app(_under(self.options.prefix, scope), receive, send)

    async def startup(self) -> None:
        """Begin to listen and to look; on the loop that it is served on. Once, until shutdown()."""
        async with self._starting:
            if self._app is not None:
                return
            for listener in self.listeners:
                self._stack.callback(listener.close)
                listener.start()
            self._board = Board(self._watches)
            api = Api(self._board, self._control, self.metrics)
            routes = [*api.routes(), *Assets(self.options.prefix).routes()]
            self._app = Guard(Starlette(routes=routes), self.options.known_hosts, self.options.auth)
            self._board.start()

    async def say_over(self) -> None:
        """Tell all viewers that the server goes: their streams end."""
        if self._board is not None:
            await self._board.stop()

    async def shutdown(self) -> None:
        """End every stream, and close the listeners."""
        await self.say_over()
        self._app = None
        await asyncio.to_thread(self._stack.close)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            step: Callable[[], Any] = self.startup if message["type"] == "lifespan.startup" else self.shutdown
            try:
                await step()
            except Exception as exc:
                await send({"type": f"{message['type']}.failed", "message": str(exc)})
                raise
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


def _under(prefix: str, scope: Scope) -> Scope:
    """As if mounted there, where a reverse proxy leaves the prefix in the path."""
    path: str = scope["path"]
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return {**scope, "root_path": f"{scope.get('root_path', '')}{prefix}"}
    return scope
