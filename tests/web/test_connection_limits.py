"""Many connections and streams at once on the dashboard's own server, and clients that send or read nothing."""

import contextlib
import logging
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from celery_gossip import Listener
from celery_gossip.web import Dashboard, WebOptions
from celery_gossip.web.auth import BasicAuth
from celery_gossip.web.connection import Connections, RepeatFilter
from celery_gossip.web.server import WebServer
from celery_gossip.web.viewer import Viewers
from tests.integration.corner import corner_of
from tests.support import eventually

IDLE = 1_100
ANN = ("ann", "correct horse")


@pytest.fixture
def many_files() -> Iterator[None]:
    """Raise the limit of file descriptors to what both ends of the connections need."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 4_096:
        pytest.skip("the limit of file descriptors is too low")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4_096, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@contextlib.contextmanager
def served(tmp_path: Path, options: WebOptions | None = None, limits: Connections | None = None) -> Iterator[WebServer]:
    corner = corner_of("memory", tmp_path)
    with contextlib.ExitStack() as stack:
        if limits is not None:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr("celery_gossip.web.server.Connections", lambda: limits)
        server = WebServer(Dashboard([Listener(corner.app, corner.options)], options or WebOptions(port=0)))
        stack.enter_context(server)
        eventually(lambda: assert_healthy(server), timeout=15)
        yield server


def assert_healthy(server: WebServer) -> None:
    assert httpx.get(f"{server.url}healthz", timeout=5).status_code == 200


def connected(server: WebServer, stack: contextlib.ExitStack, sends: bytes = b"", source: str = "") -> socket.socket:
    parts = urlsplit(server.url)
    where = (source, 0) if source else None
    client = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10, source_address=where)
    stack.enter_context(client)
    client.sendall(sends)
    return client


def is_closed(client: socket.socket, within: float) -> bool:
    """Read until the server closes the connection, or the time has passed."""
    give_up_at = time.monotonic() + within
    try:
        while (left := give_up_at - time.monotonic()) > 0:
            client.settimeout(left)
            if not client.recv(65_536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def request_for(path: str) -> bytes:
    return f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def test_health_responds_within_a_second_with_many_idle_connections(
    tmp_path: Path, many_files: None, caplog: pytest.LogCaptureFixture
) -> None:
    with served(tmp_path) as server, contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            connected(server, stack)
        for _ in range(3):
            assert httpx.get(f"{server.url}healthz", timeout=1).status_code == 200
            assert httpx.get(f"{server.url}api/queues", timeout=2).status_code == 200
    assert sum("connections to the dashboard" in record.message for record in caplog.records) == 1


def test_connections_stay_below_the_limit_of_file_descriptors(
    tmp_path: Path, many_files: None, caplog: pytest.LogCaptureFixture
) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, hard))  # read by max_connections()
    limits = Connections()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4_096, hard))
    assert limits.limit == 512
    with served(tmp_path, limits=limits) as server, contextlib.ExitStack() as stack:
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            for _ in range(IDLE // 3):
                connected(server, stack, source=source)
        assert httpx.get(f"{server.url}healthz", timeout=1).status_code == 200
        assert len(limits) <= 512


@pytest.mark.parametrize("sends", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_a_client_that_does_not_send_its_request_is_disconnected(tmp_path: Path, sends: bytes) -> None:
    with served(tmp_path, limits=Connections(request_timeout=0.5)) as server, contextlib.ExitStack() as stack:
        client = connected(server, stack, sends)
        began = time.monotonic()
        while time.monotonic() < began + 5:
            try:
                client.sendall(b"x")  # single bytes do not extend the deadline
                time.sleep(0.05)
            except OSError:
                break
        assert time.monotonic() < began + 5


def test_a_client_that_drips_its_second_request_is_disconnected(tmp_path: Path) -> None:
    with served(tmp_path, limits=Connections(next_request_timeout=0.5)) as server, contextlib.ExitStack() as stack:
        client = connected(server, stack, request_for("healthz") + b"GET / HTTP/1.1\r\n")
        assert is_closed(client, 4)  # uvicorn closes connections without any byte after 5 s


def test_an_event_stream_does_not_count_as_idle(tmp_path: Path) -> None:
    limits = Connections(request_timeout=0.3, next_request_timeout=0.3)
    with served(tmp_path, limits=limits) as server, contextlib.ExitStack() as stack:
        assert not is_closed(connected(server, stack, request_for("api/events?topic=fleet")), 1.5)


def test_streams_that_never_read_do_not_exclude_others(tmp_path: Path, many_files: None) -> None:
    with served(tmp_path) as server, contextlib.ExitStack() as stack:
        reader = connected(server, stack, request_for("api/events?topic=fleet"), source="127.0.0.2")
        for _ in range(230):
            connected(server, stack, request_for("api/events?topic=fleet&topic=queues"), source="127.0.0.3")
        assert not is_closed(reader, 1.0), "it is the only stream of its address"
        for _ in range(3):
            with httpx.stream("GET", f"{server.url}api/events?topic=fleet", timeout=5) as stream:
                assert stream.status_code == 200
                assert any("fleet" in line for line in stream.iter_lines() if line.startswith("data"))
        assert httpx.get(f"{server.url}healthz", timeout=2).status_code == 200


def test_a_response_that_is_not_read_is_aborted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.web.security.WRITE_TIMEOUT", 0.5)
    limits = Connections()
    with served(tmp_path, limits=limits) as server, contextlib.ExitStack() as stack:
        monkeypatch.setattr("celery_gossip.web.broadcaster._encode_now", lambda: b"0" * 500_000)
        client = connected(server, stack, request_for("api/events?topic=fleet"))
        eventually(lambda: assert_number(limits, 1), timeout=5)
        eventually(lambda: assert_number(limits, 0), timeout=15)
        assert client.fileno() > 0


def assert_number(limits: Connections, number: int) -> None:
    assert len(limits) == number


def test_password_guesses_are_limited_per_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = WebOptions(port=0, auth=BasicAuth(dict([ANN])))
    with served(tmp_path, options) as server, contextlib.ExitStack() as stack:
        guesser = stack.enter_context(httpx.Client(base_url=server.url, timeout=5))
        other = httpx.HTTPTransport(local_address="127.0.0.2")
        ann = stack.enter_context(httpx.Client(base_url=server.url, timeout=5, transport=other, auth=ANN))
        statuses = [
            guesser.get("api/config", auth=("ann", f"guess number {number}")).status_code for number in range(50)
        ]
        assert statuses == [401] * 10 + [429] * 40
        assert ann.get("api/config").status_code == 200
        refused = guesser.get("api/config", auth=ANN)
        assert refused.status_code == 429 and 0 < int(refused.headers["retry-after"]) <= 60
        assert guesser.get("healthz").status_code == 200 and guesser.get("api/config").status_code == 401
    assert sum("wrong credentials" in record.message for record in caplog.records) == 1
    assert "guess" not in caplog.text


def test_the_owner_with_most_streams_loses_one_to_the_next_viewer() -> None:
    viewers = Viewers()
    crowd = [viewers.add("crowd", 4) for _ in range(3)]
    single = viewers.add("single", 4)
    assert crowd[1] is not None and single is not None
    crowd[1].is_writing = True
    assert viewers.add("another", 4) is not None
    assert [one is not None and one.is_displaced for one in (*crowd, single)] == [False, True, False, False]
    assert viewers.add("crowd", 4) is not None and len(viewers) == 4
    assert crowd[0] is not None and crowd[0].is_displaced and not single.is_displaced
    viewers.remove(crowd[0])
    assert len(viewers) == 4
    assert Viewers().add("any", 0) is None


def test_each_kind_of_line_is_logged_once_per_minute() -> None:
    now = 0.0
    limit = RepeatFilter(clock=lambda: now)

    def passes(text: str) -> bool:
        return limit.filter(logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, text, (), None))

    assert [passes(text) for text in ("a", "a", "b")] == [True, False, True]
    now = 61.0
    assert passes("a")
    assert all(map(passes, map(str, range(1_000))))
    assert len(limit._passed_at) == 100


def test_connections_that_cannot_be_accepted_are_logged_once_per_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with served(tmp_path) as server:
        for _ in range(1_000):
            context = {
                "message": "socket.accept() out of system resource",
                "exception": OSError(24, "Too many open files"),
            }
            server._server._on_error(None, context)  # type: ignore[arg-type]
    (record,) = [record for record in caplog.records if "cannot accept" in record.message]
    assert record.exc_info is None


def test_malformed_requests_are_logged_once_per_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with served(tmp_path) as server, contextlib.ExitStack() as stack:
        for _ in range(50):
            assert is_closed(connected(server, stack, b"\x00\xff\r\n\r\n"), 5)
    assert sum("Invalid HTTP request" in record.message for record in caplog.records) == 1
    assert not logging.getLogger("uvicorn.error").filters
