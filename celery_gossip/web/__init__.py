"""`celery gossip web`: a dashboard in the browser. Needs Starlette, and uvicorn for its own server: the extra `web`.

`Dashboard` is an ASGI application, which can be mounted in another one.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send

from celery_gossip.control.control import Control
from celery_gossip.listener.control_target import control_target
from celery_gossip.listener.listener import Listener
from celery_gossip.web.api import Api
from celery_gossip.web.auth import Auth, oidc_options, parse_auth
from celery_gossip.web.broadcaster import Broadcaster
from celery_gossip.web.login.handler import Login
from celery_gossip.web.monitoring import Monitoring
from celery_gossip.web.option import WebOptions
from celery_gossip.web.route_table import RouteTable
from celery_gossip.web.security import Security
from celery_gossip.web.snapshot import Sampler
from celery_gossip.web.static import Assets

__all__ = ["Auth", "Dashboard", "WebOptions", "parse_auth"]


@dataclass
class Dashboard:
    """An ASGI application that shows what listeners receive. The first request starts them, shutdown() closes them.

    With a server of its own it follows the ASGI lifespan, which may begin several times. An application that mounts it
    (`app.mount("/gossip", Dashboard(…))`) may call startup() and shutdown(); without them the threads end with the
    process.

    `listeners` may be of several apps. `metrics` renders the Prometheus metrics of each by its number, "0", "1".
    """

    listeners: Sequence[Listener]
    options: WebOptions = field(default_factory=WebOptions)
    metrics: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_source = {str(number): listener for number, listener in enumerate(self.listeners)}
        self._broadcaster: Broadcaster | None = None
        self._api: Api | None = None
        self._monitoring: Monitoring | None = None
        self._control: Control | None = None
        if self.options.permissions:
            targets = {source: control_target(listener) for source, listener in self._by_source.items()}
            self._control = Control(targets, self.options.permissions, self.options.control_users)
        self._login = Login(oidc_options(self.options.auth))
        self._app: Security | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._starting = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        if self._app is None or self._loop is not asyncio.get_running_loop():
            await self.startup()
        assert self._app is not None
        await self._app(_with_prefix(self.options.prefix, scope), receive, send)

    async def startup(self) -> None:
        """Start the listeners and the sampling, on the loop that serves the requests. Does nothing if already started.

        On another loop (a test client, a forked server, a reload without a shutdown) everything is started again there.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._app, self._starting = loop, None, asyncio.Lock()
        async with self._starting:
            if self._app is not None:
                return
            await asyncio.to_thread(self._end_threads)
            for listener in self.listeners:
                await asyncio.to_thread(listener.start)  # blocks while a listener that was just closed ends
            self._broadcaster = Broadcaster([self._sampler(source) for source in self._by_source])
            self._app = self._build_app(self._broadcaster)
            self._broadcaster.start()

    def _sampler(self, source: str) -> Sampler:
        listener = self._by_source[source]
        sampler = Sampler(source, str(listener.app.main or ""), listener)
        if self._control is not None:
            sampler.activity = partial(self._control.log.latest, source)
        return sampler

    def _build_app(self, broadcaster: Broadcaster) -> Security:
        self._api = Api(broadcaster, self._control, self.options.task_url)
        self._monitoring = Monitoring(broadcaster, self.metrics)
        table = RouteTable(self._api, self._monitoring, Assets(self.options.prefix), self._login)
        return table.application(self.options.allowed_hosts, self.options.auth)

    async def end_streams(self) -> None:
        """End every event stream, so that a server can wait for its connections to close."""
        if self._broadcaster is not None and self._loop is asyncio.get_running_loop():
            await self._broadcaster.stop()

    async def shutdown(self) -> None:
        """End every event stream and close the listeners. startup() starts them again, with an empty view."""
        await self.end_streams()
        self._app = None
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with ExitStack() as stack:
            stack.callback(self._end_threads)
            for listener in self.listeners:
                stack.callback(listener.close)

    def _end_threads(self) -> None:
        """End the threads that serve requests. A forked child has none of them."""
        owners = (self._api, self._monitoring, self._broadcaster, self._control)
        self._api = self._monitoring = self._broadcaster = None
        is_forked, self._pid = self._pid != os.getpid(), os.getpid()
        with ExitStack() as stack:
            for owner in owners:
                if owner is not None and not is_forked:
                    stack.callback(owner.close)

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
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


def _with_prefix(prefix: str, scope: Scope) -> Scope:
    """Return the scope as if mounted at the prefix, for a reverse proxy that leaves the prefix in the path."""
    path: str = scope["path"]
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return {**scope, "root_path": f"{scope.get('root_path', '')}{prefix}"}
    return scope
