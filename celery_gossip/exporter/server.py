"""The HTTP server of the exporter: /metrics, /health and a page that names them. A thread per request.

Requests never wait for anything but the network: what they ask for is ready.
"""

import http.server
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from celery_gossip.exporter.page import Sheet
from celery_gossip.log import logger

__all__ = ["Server"]

_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"  #: what celery_gossip.exporter.text writes
_REQUEST_TIMEOUT = 10.0  #: seconds for which a client may say nothing
_INDEX = b'<html><title>celery-gossip</title><a href="/metrics">metrics</a> <a href="/health">health</a></html>\n'


@dataclass(frozen=True)
class _Answer:
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    is_gzipped: bool = False


class Server:
    """A context manager: entering starts to answer. The constructor binds, and raises OSError where it cannot.

    `sheet` gives the latest exposition, `is_healthy` whether the figures in it are alive. Port 0 takes a free one.
    """

    def __init__(self, bind: str, port: int, sheet: Callable[[], Sheet], is_healthy: Callable[[], bool]) -> None:
        self._sheet = sheet
        self._is_healthy = is_healthy
        self._server = _HTTPServer(bind, port, self._answer)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{name}:{port}"

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, *, takes_gzip: bool) -> _Answer:
        if path == "/metrics":
            return self._metrics(takes_gzip=takes_gzip)
        if path == "/":
            return _Answer(_INDEX, "text/html; charset=utf-8")
        if path != "/health":
            return _Answer(b"not found\n", status=HTTPStatus.NOT_FOUND)
        if self._is_healthy():
            return _Answer(b"ok\n")
        return _Answer(b"isolated: the broker is not heard\n", status=HTTPStatus.SERVICE_UNAVAILABLE)

    def _metrics(self, *, takes_gzip: bool) -> _Answer:
        sheet = self._sheet()
        if not sheet.body:
            return _Answer(b"the metrics cannot be rendered; see the log\n", status=HTTPStatus.INTERNAL_SERVER_ERROR)
        body = sheet.gzipped if takes_gzip else sheet.body
        return _Answer(body, _TEXT_FORMAT, is_gzipped=takes_gzip)


class _Handler(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "celery-gossip", ""
    timeout = _REQUEST_TIMEOUT
    server: "_HTTPServer"

    def do_GET(self) -> None:
        takes_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        answer = self.server.answer(self.path.partition("?")[0], takes_gzip=takes_gzip)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.is_gzipped:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815 - so the base class finds it

    def log_message(self, *_: object) -> None:
        """A scrape is no news."""


class _HTTPServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, bind: str, port: int, answer: Callable[..., _Answer]) -> None:
        found = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, address = found[0]
        self.answer = answer
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        """Without HTTPServer's question to DNS for the host's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news either."""
        logger.debug("celery-gossip: a request from %s failed", client_address, exc_info=True)
