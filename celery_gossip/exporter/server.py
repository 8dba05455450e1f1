"""HTTP server of the exporter: /metrics, /health and an index page. One thread per connection, at most 32.

A request waits for the network only, because the exposition is rendered in advance. The thread that accepts connections
closes those of clients that send or read too slowly, and the oldest connection when all threads are in use.
"""

import http.server
import os
import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from celery_gossip.exporter.render_cache import Exposition
from celery_gossip.fork_lock import reset_after_forks
from celery_gossip.hosts import allowed_hosts, client_group, is_address, is_loopback, parse_host_header
from celery_gossip.log import LimitedLogger, logger

__all__ = ["Server"]

_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"  #: the format of celery_gossip.exporter.text_format
_REQUEST_TIMEOUT = 10.0  #: seconds from the connection to the end of the request's headers
_RESPONSE_TIMEOUT = 60.0  #: seconds from the connection to the end of the response
_MAX_CONNECTIONS = 32  #: each has a thread
_INDEX = b'<html><title>celery-gossip</title><a href="/metrics">metrics</a> <a href="/health">health</a></html>\n'


@dataclass(frozen=True)
class _Response:
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    is_gzipped: bool = False


class Server:
    """Serve while the context is entered. The constructor binds the port and raises OSError if that fails.

    `bind` is (address, port); port 0 selects a free port. `get_exposition` returns the latest exposition, `is_healthy`
    returns True if it is current, and `hosts` are additional allowed Host headers. A forked child closes its copy of
    the socket: the parent serves, and the copy would keep the port in use after the parent has ended.
    """

    def __init__(
        self,
        bind: tuple[str, int],
        get_exposition: Callable[[], Exposition],
        is_healthy: Callable[[], bool],
        hosts: tuple[str, ...] = (),
    ) -> None:
        self._get_exposition = get_exposition
        self._is_healthy = is_healthy
        self._hosts = allowed_hosts(bind[0], hosts)
        self._allows_addresses = not is_loopback(bind[0])
        self._server = _HTTPServer(bind, self._respond)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._pid = os.getpid()
        reset_after_forks(self)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{name}:{port}"

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid == os.getpid():  # in a forked child the thread does not exist, and shutdown() would wait forever
            self._server.shutdown()
        self._server.server_close()

    def reset_after_fork(self) -> None:
        """Close the copy of the socket. Called in a forked child."""
        self._server.server_close()

    def _is_known(self, host: str) -> bool:
        """Return True for an allowed Host header.

        Bound beyond loopback, every IP address is allowed: DNS rebinding needs a host name.
        """
        name, _ = parse_host_header(host)
        return name in self._hosts or (self._allows_addresses and is_address(name))

    def _respond(self, host: str, path: str, *, accepts_gzip: bool) -> _Response:
        if not self._is_known(host):
            text = b"this host name is not allowed; see --allow-host\n"
            return _Response(text, status=HTTPStatus.MISDIRECTED_REQUEST)
        if path == "/metrics":
            return self._metrics(accepts_gzip=accepts_gzip)
        if path == "/":
            return _Response(_INDEX, "text/html; charset=utf-8")
        if path != "/health":
            return _Response(b"not found\n", status=HTTPStatus.NOT_FOUND)
        if self._is_healthy():
            return _Response(b"ok\n")
        return _Response(b"isolated: the listener is cut off from the broker\n", status=HTTPStatus.SERVICE_UNAVAILABLE)

    def _metrics(self, *, accepts_gzip: bool) -> _Response:
        exposition = self._get_exposition()
        if not exposition.body:
            return _Response(b"the metrics cannot be rendered; see the log\n", status=HTTPStatus.INTERNAL_SERVER_ERROR)
        body = exposition.gzipped if accepts_gzip else exposition.body
        return _Response(body, _TEXT_FORMAT, is_gzipped=accepts_gzip)


class _Handler(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "celery-gossip", ""
    server: "_HTTPServer"

    def do_GET(self) -> None:
        self.server.connections.extend_deadline(self.connection)
        accepts_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        (host, *others) = self.headers.get_all("Host", [""])
        host = "" if others else host
        response = self.server.respond(host, self.path.partition("?")[0], accepts_gzip=accepts_gzip)
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        if response.is_gzipped:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(response.body)

    do_HEAD = do_GET  # noqa: N815 - the name that the base class looks up

    def log_message(self, *_: object) -> None:
        """Log nothing: each scrape would write a line."""


@dataclass(eq=False)
class _Connection:
    request: Any  #: the socket
    group: str  #: see client_group
    deadline: float  #: in seconds of the clock
    has_request: bool = False  #: its headers have arrived


class _Connections:
    """Open connections, the oldest first. Every method except add() may be called on any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[Any, _Connection] = {}
        self._log = LimitedLogger(clock=clock)

    def add(self, request: Any, address: str) -> None:
        """Register a connection. At the limit, close the oldest one of the address that has the most."""
        with self._lock:
            oldest = self._select_oldest(client_group(address)) if len(self._open) >= _MAX_CONNECTIONS else None
            if oldest is not None:
                del self._open[oldest.request]
            self._open[request] = _Connection(request, client_group(address), self._clock() + _REQUEST_TIMEOUT)
        if oldest is not None:
            _shut_down(oldest)
            self._log.warning(
                "crowd", "celery-gossip: %d connections to the exporter: the oldest are closed", _MAX_CONNECTIONS
            )

    def extend_deadline(self, request: Any) -> None:
        """Replace the deadline of the request by that of the response. Called when the headers have arrived."""
        with self._lock:
            connection = self._open.get(request)
            if connection is not None:
                connection.has_request = True
                connection.deadline += _RESPONSE_TIMEOUT - _REQUEST_TIMEOUT

    def remove(self, request: Any) -> None:
        """Remove a connection that is closed."""
        with self._lock:
            self._open.pop(request, None)

    def close_overdue(self) -> None:
        """Shut down the connections that have passed their deadline, which ends their threads."""
        now = self._clock()
        with self._lock:
            overdue = [connection for connection in self._open.values() if connection.deadline <= now]
            for connection in overdue:
                del self._open[connection.request]
        for connection in overdue:
            _shut_down(connection)

    def _select_oldest(self, new_group: str) -> _Connection:
        """Return the oldest connection of the largest group, preferably one whose request has not arrived."""
        sizes = Counter(connection.group for connection in self._open.values())
        largest = max(sizes, key=lambda group: sizes[group] + (group == new_group))
        in_group = [connection for connection in self._open.values() if connection.group == largest]
        return next((connection for connection in in_group if not connection.has_request), in_group[0])


def _shut_down(connection: _Connection) -> None:
    """Make reads and writes on this socket return. The thread that serves it then closes it."""
    with suppress(OSError):
        connection.request.shutdown(socket.SHUT_RDWR)


class _HTTPServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, bind: tuple[str, int], respond: Callable[..., _Response]) -> None:
        found = socket.getaddrinfo(*bind, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, address = found[0]
        self.respond = respond
        self.connections = _Connections()
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        """Bind without the DNS lookup of the host name that HTTPServer does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", 0

    def process_request(self, request: Any, client_address: Any) -> None:
        """Register the connection, then start its thread."""
        self.connections.add(request, str(client_address[0]))
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Unregister the connection. Called on its thread."""
        self.connections.remove(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Close overdue connections. Called ten times a second on the thread that accepts connections."""
        self.connections.close_overdue()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log at level DEBUG only: clients close connections at any time."""
        logger.debug("celery-gossip: a request from %s failed", client_address, exc_info=True)
