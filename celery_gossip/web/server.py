"""Server: the dashboard on a socket of its own. Called by the command, and by who wants it beside something else."""

import socket
import threading
from contextlib import closing

import uvicorn

from celery_gossip.foreground import handled, switching
from celery_gossip.web import Dashboard

__all__ = ["WebServer"]

_BACKLOG = 128
_GRACE = 3  #: seconds for requests that run when it ends
_CLOSE_TIMEOUT = 5.0  #: seconds for the listeners' last answers
_MOST_CONNECTIONS = 1_000
_SWITCH_INTERVAL = 0.001  #: seconds for which the loop waits behind each thread that listens or looks


class WebServer:
    """The constructor binds, and raises OSError where it cannot; port 0 takes a free one. Then run(), or a context."""

    def __init__(self, dashboard: Dashboard) -> None:
        options = dashboard.options
        self._prefix = options.prefix
        self._socket = _bound(options.bind, options.port)
        self._server = _Server(_config(dashboard), dashboard)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="celery-gossip-web", daemon=True
        )

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        return f"http://{name}:{port}{self._prefix}/"

    def run(self) -> None:
        """On the main thread, until SIGINT or SIGTERM."""
        # uvicorn raises the signal that ended it once more, when it has ended well: that shall end nothing else.
        with closing(self._socket), handled(lambda *_: None), switching(_SWITCH_INTERVAL):
            self._server.run(sockets=[self._socket])

    def __enter__(self) -> "WebServer":
        """Serve on a thread, as long as the context is open."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_GRACE + _CLOSE_TIMEOUT)
        self._socket.close()


class _Server(uvicorn.Server):
    """Ends the streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, dashboard: Dashboard) -> None:
        super().__init__(config)
        self._dashboard = dashboard

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._dashboard.say_over()
        await super().shutdown(sockets)


def _config(dashboard: Dashboard) -> uvicorn.Config:
    return uvicorn.Config(
        dashboard,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE,
    )


def _bound(bind: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
