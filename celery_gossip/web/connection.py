"""Connections: limits the TCP connections of the dashboard's own server. Used on the server's event loop.

uvicorn waits for the headers of a request without a timeout, and responds 503 if too many connections are open. Here
requests have a deadline, and a new connection replaces the oldest one that has no request.
"""

import asyncio
import logging
import resource
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from celery_gossip.hosts import client_group
from celery_gossip.log import LimitedLogger

__all__ = ["ABORT", "Connections", "RepeatFilter", "max_connections"]

ABORT = "celery_gossip.abort"  #: key of the scope: a function that closes the connection without flushing
_MAX = 1_000  #: connections, if the limit of file descriptors allows it
_REQUEST_TIMEOUT = 10.0  #: seconds from the connection to the end of the first request's headers
_NEXT_REQUEST_TIMEOUT = 15.0  #: seconds from a response to the end of the next request's headers
_MAX_KINDS = 100  #: of log lines that RepeatFilter remembers


def max_connections() -> int:
    """Return half of the file descriptors that this process may open, at most 1,000.

    The other half is for the broker, files, and connections that asyncio has just accepted or is closing.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX if soft == resource.RLIM_INFINITY else max(4, min(_MAX, soft // 2))


@dataclass(eq=False)
class _Connection:
    """One open connection."""

    transport: Any  #: of asyncio
    group: str  #: see client_group
    is_serving: bool = False  #: a request is being processed
    timer: asyncio.TimerHandle | None = None

    def abort(self) -> None:
        """Close immediately, without flushing the write buffer."""
        self.transport.abort()

    def wait_for_request(self, timeout: float) -> None:
        """Abort unless a request begins within `timeout` seconds."""
        self.stop_waiting()
        self.timer = asyncio.get_running_loop().call_later(timeout, self.abort)

    def stop_waiting(self) -> None:
        """Cancel the deadline."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass
class Connections:
    """Allows `limit` connections, half of them from one address (one /64 network of IPv6).

    `limited_protocol()` counts the connections of uvicorn's protocol; `with_deadlines()` wraps the application, to know
    when a request has begun. Both identify a connection by the peer's address and port, so that they do not depend on
    uvicorn's internals.
    """

    limit: int = field(default_factory=max_connections)
    request_timeout: float = _REQUEST_TIMEOUT
    next_request_timeout: float = _NEXT_REQUEST_TIMEOUT

    def __post_init__(self) -> None:
        self._by_peer: dict[tuple[Any, ...], _Connection] = {}
        self._by_group: dict[str, OrderedDict[_Connection, None]] = {}
        self._blocked: OrderedDict[_Connection, None] = OrderedDict()
        self._log = LimitedLogger()

    def __len__(self) -> int:
        return len(self._by_peer)

    def limited_protocol(self, base: type[Any]) -> type[Any]:
        """Return a subclass of an asyncio protocol that counts and limits its connections."""
        connections = self

        class LimitedProtocol(base):  # type: ignore[misc]
            _peer: tuple[Any, ...] = ()

            def connection_made(self, transport: Any) -> None:
                self._peer = _peer_of(transport)
                super().connection_made(transport)
                connections.add(self._peer, transport)

            def connection_lost(self, exc: Exception | None) -> None:
                connections.remove(self._peer)
                super().connection_lost(exc)

            def pause_writing(self) -> None:
                connections.block(self._peer)
                super().pause_writing()

            def resume_writing(self) -> None:
                connections.unblock(self._peer)
                super().resume_writing()

        return LimitedProtocol

    def with_deadlines(self, app: ASGIApp) -> ASGIApp:
        """Return the application with deadlines for requests. The scope that it gets has ABORT."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            connection = self._by_peer.get(tuple(scope.get("client") or ()))
            if connection is None or scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            connection.is_serving = True
            connection.stop_waiting()
            try:
                await app({**scope, ABORT: connection.abort}, receive, send)
            finally:
                connection.is_serving = False
                if not connection.transport.is_closing():
                    connection.wait_for_request(self.next_request_timeout)

        return serve

    def add(self, peer: tuple[Any, ...], transport: Any) -> None:
        """Count a new connection. Abort one if there are too many; see _pick_victim."""
        connection = _Connection(transport, client_group(str(peer[0]) if peer else ""))
        self._by_peer[peer] = connection
        self._by_group.setdefault(connection.group, OrderedDict())[connection] = None
        connection.wait_for_request(self.request_timeout)
        group = self._by_group[connection.group]
        if len(group) <= max(1, self.limit // 2):
            if len(self._by_peer) <= self.limit:
                return
            group = max(self._by_group.values(), key=len)
        victim = self._pick_victim(group) or connection
        self._discard(victim)
        victim.abort()
        self._log.warning(
            "limit",
            "celery-gossip: %d connections to the dashboard, %d of them from one address: closing the oldest without a "
            "request",
            len(self._by_peer),
            len(group),
        )

    def remove(self, peer: tuple[Any, ...]) -> None:
        """Stop counting a closed connection."""
        connection = self._by_peer.get(peer)
        if connection is not None:
            self._discard(connection)

    def block(self, peer: tuple[Any, ...]) -> None:
        """Record that the client does not read the response."""
        if peer in self._by_peer:
            self._blocked[self._by_peer[peer]] = None

    def unblock(self, peer: tuple[Any, ...]) -> None:
        """Record that the client reads again."""
        if peer in self._by_peer:
            self._blocked.pop(self._by_peer[peer], None)

    def _pick_victim(self, group: "OrderedDict[_Connection, None]") -> _Connection | None:
        """Return the oldest connection of the group without a request, else the oldest whose client does not read."""
        idle = next((one for one in group if not one.is_serving), None)
        newest = next(reversed(group))
        if idle is not None and idle is not newest:
            return idle
        return next((one for one in self._blocked if one in group), idle)

    def _discard(self, connection: _Connection) -> None:
        connection.stop_waiting()
        self._blocked.pop(connection, None)
        peer = _peer_of(connection.transport)
        if self._by_peer.get(peer) is connection:
            del self._by_peer[peer]
        group = self._by_group.get(connection.group)
        if group is not None:
            group.pop(connection, None)
            if not group:
                del self._by_group[connection.group]


class RepeatFilter(logging.Filter):
    """Passes one record per minute of each format string and class of exception.

    uvicorn logs a line for every malformed request.
    """

    def __init__(self, period: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._period = period
        self._clock = clock
        self._passed_at: OrderedDict[str, float] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log this record."""
        kind, now = f"{record.msg} {record.exc_info[0] if record.exc_info else ''}", self._clock()
        passed_at = self._passed_at.get(kind)
        if passed_at is not None and now - passed_at < self._period:
            return False
        self._passed_at[kind] = now
        self._passed_at.move_to_end(kind)
        if len(self._passed_at) > _MAX_KINDS:
            self._passed_at.popitem(last=False)
        return True


def _peer_of(transport: Any) -> tuple[Any, ...]:
    """Return `(address, port)`, as in the scope that uvicorn passes on."""
    return tuple((transport.get_extra_info("peername") or ())[:2])
