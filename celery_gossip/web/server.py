"""Server: the dashboard on a socket of its own, until SIGINT or SIGTERM. Called by the command, on the main thread."""

import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import uvicorn

from celery_gossip.web import Dashboard

__all__ = ["WebServer"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_BACKLOG = 128
_GRACE = 3  #: seconds for requests that run when it ends
_MOST_CONNECTIONS = 1_000


class WebServer:
    """The constructor binds, and raises OSError where it cannot; port 0 takes a free one. run() blocks."""

    def __init__(self, dashboard: Dashboard) -> None:
        options = dashboard.options
        self._dashboard = dashboard
        self._socket = _bound(options.bind, options.port)

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        return f"http://{name}:{port}{self._dashboard.options.prefix}/"

    def run(self) -> None:
        config = uvicorn.Config(
            self._dashboard,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            ws="none",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE,
        )
        with closing(self._socket), _calm():
            _Server(config, self._dashboard).run(sockets=[self._socket])


class _Server(uvicorn.Server):
    """Ends the streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, dashboard: Dashboard) -> None:
        super().__init__(config)
        self._dashboard = dashboard

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._dashboard.say_over()
        await super().shutdown(sockets)


@contextmanager
def _calm() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more, when it has ended well: that shall end nothing else."""
    before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
