"""Server: serves the dashboard on a socket of its own. Used by `celery gossip web`, and as a context manager."""

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import uvicorn

from celery_gossip.fork_lock import reset_after_forks
from celery_gossip.log import LimitedLogger
from celery_gossip.process import on_exit_signal, switch_interval
from celery_gossip.web import Dashboard
from celery_gossip.web.connection import Connections, RepeatFilter

try:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol
except ImportError:  # a uvicorn without it: then only the number of connections is limited
    AutoHTTPProtocol = None  # type: ignore[assignment]

__all__ = ["WebServer"]

_MAX_BACKLOG = 128  #: connections that asyncio accepts at once before it handles any of them
_SEND_BUFFER = 256 * 1024  #: bytes that the kernel buffers for a client that does not read
_GRACE = 3  #: seconds for running requests at shutdown
_CLOSE_TIMEOUT = 5.0  #: seconds for the listeners to close
_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SWITCH_INTERVAL = 0.001  #: seconds for which the loop waits for each busy thread that listens or samples


class WebServer:
    """Binds on construction, or raises OSError; port 0 is any free port. Call run(), or use it as a context manager."""

    def __init__(self, dashboard: Dashboard) -> None:
        options = dashboard.options
        self._prefix = options.prefix
        self._socket = _bind_socket(options.bind, options.port)
        self._server = _Server(_config(dashboard), dashboard)
        self._thread = threading.Thread(
            target=self._server.serve_until_stopped, args=([self._socket],), name="celery-gossip-web", daemon=True
        )
        reset_after_forks(self)

    def reset_after_fork(self) -> None:
        """Close the copy of the socket in a forked child, which does not serve: it would keep the port open."""
        self._socket.close()

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        return f"http://{name}:{port}{self._prefix}/"

    def run(self) -> None:
        """Serve on the main thread until SIGINT or SIGTERM."""
        # uvicorn raises the signal again after a clean shutdown; ignore it, or it would end the process with an error.
        with closing(self._socket), on_exit_signal(lambda *_: None), switch_interval(_SWITCH_INTERVAL):
            self._server.serve_until_stopped([self._socket])

    def __enter__(self) -> "WebServer":
        """Serve on a thread while the context is open."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_GRACE + _CLOSE_TIMEOUT)
        self._socket.close()


class _Server(uvicorn.Server):
    """Ends event streams before it waits for connections, and logs each kind of error once per minute."""

    def __init__(self, config: uvicorn.Config, dashboard: Dashboard) -> None:
        super().__init__(config)
        self._dashboard = dashboard
        self._log = LimitedLogger()

    def serve_until_stopped(self, sockets: list[socket.socket]) -> None:
        """Serve until should_exit is set."""
        with _filtered(logging.getLogger("uvicorn.error")):
            self.run(sockets=sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Set the exception handler of the loop: asyncio logs a traceback for each connection that it cannot accept."""
        asyncio.get_running_loop().set_exception_handler(self._on_error)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._dashboard.end_streams()
        await super().shutdown(sockets)

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        exc = context.get("exception")
        if isinstance(exc, OSError) and exc.errno in _OUT_OF_RESOURCES:
            self._log.error("accept", "celery-gossip: the dashboard cannot accept connections: %s", exc)
        else:
            self._log.error("loop", "celery-gossip: the dashboard: %s", context.get("message"), exc_info=exc)


@contextmanager
def _filtered(logger: logging.Logger) -> Iterator[None]:
    """Pass each message of this logger once per minute."""
    limit = RepeatFilter()
    logger.addFilter(limit)
    try:
        yield
    finally:
        logger.removeFilter(limit)


def _config(dashboard: Dashboard) -> uvicorn.Config:
    connections = Connections()
    return uvicorn.Config(
        connections.with_deadlines(dashboard),
        http="auto" if AutoHTTPProtocol is None else connections.limited_protocol(AutoHTTPProtocol),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
        backlog=_backlog(connections.limit),
        limit_concurrency=connections.limit + 2 * _backlog(connections.limit),
        timeout_graceful_shutdown=_GRACE,
    )


def _backlog(max_connections: int) -> int:
    return max(1, min(_MAX_BACKLOG, max_connections // 4))


def _bind_socket(bind: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        listening.bind(address)
        listening.listen(_MAX_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
