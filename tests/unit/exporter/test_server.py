"""The exposition that is rendered in advance, and the server that returns it."""

import contextlib
import gc
import gzip
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.exporter import Exporter, ExporterOptions
from celery_gossip.exporter.render_cache import Exposition, RenderCache, pause_after
from celery_gossip.exporter.server import Server
from tests.support import eventually
from tests.support.scrape import ClusterSource, Scrape
from tests.unit.build import FakeClock, a_gossip


@pytest.fixture
def health() -> dict[str, bool]:
    return {"is_healthy": True}


@pytest.fixture
def server(health: dict[str, bool]) -> Iterator[Server]:
    exposition = Exposition(b"# metrics\n", gzip.compress(b"# metrics\n"))
    with Server(("127.0.0.1", 0), get_exposition=lambda: exposition, is_healthy=lambda: health["is_healthy"]) as server:
        yield server


def ask(url: str, **headers: str) -> Any:
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5)
    except urllib.error.HTTPError as error:
        return error


def test_metrics_are_served_in_the_text_format(server: Server) -> None:
    with ask(f"{server.url}/metrics?name=any") as response:
        assert (response.status, response.read()) == (200, b"# metrics\n")
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "Python" not in response.headers["Server"]


def test_metrics_are_compressed_for_clients_that_accept_gzip(server: Server) -> None:
    with ask(f"{server.url}/metrics", **{"Accept-Encoding": "deflate, gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(response.read()) == b"# metrics\n"


def test_there_is_an_index_and_nothing_else(server: Server) -> None:
    with ask(f"{server.url}/") as response:
        assert b'href="/metrics"' in response.read()
    for path in ("/metrics/", "/etc/passwd", "/%00"):
        with ask(server.url + path) as response:
            assert response.status == 404


def test_health_is_bad_while_the_view_is_isolated(server: Server, health: dict[str, bool]) -> None:
    with ask(f"{server.url}/health") as response:
        assert (response.status, response.read()) == (200, b"ok\n")
    health["is_healthy"] = False
    with ask(f"{server.url}/health") as response:
        assert response.status == 503


def test_an_empty_exposition_is_a_server_error() -> None:
    with (
        Server(("127.0.0.1", 0), get_exposition=Exposition, is_healthy=bool) as server,
        ask(f"{server.url}/metrics") as response,
    ):
        assert response.status == 500


def test_malformed_requests_do_not_affect_later_ones(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    address = server.url.removeprefix("http://").split(":")
    for garbage in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET " + b"x" * 100_000, b"POST / HTTP/1.1\r\n\r\n", b""):
        with socket.create_connection((address[0], int(address[1])), timeout=5) as client:
            client.sendall(garbage)
    with ask(f"{server.url}/metrics") as response:
        assert response.status == 200
    assert capfd.readouterr() == ("", "")


def test_a_client_that_sends_nothing_does_not_delay_the_next(server: Server) -> None:
    address = server.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=5):
        with ask(f"{server.url}/metrics") as response:
            assert response.status == 200


def test_a_port_in_use_is_an_error_at_once(server: Server) -> None:
    with pytest.raises(OSError, match="in use"):
        Server(("127.0.0.1", int(server.url.rpartition(":")[2])), get_exposition=Exposition, is_healthy=bool)


def test_it_can_be_bound_to_another_family() -> None:
    with contextlib.suppress(OSError), Server(("::1", 0), get_exposition=Exposition, is_healthy=lambda: True) as server:
        with ask(f"{server.url}/health") as response:
            assert response.status == 200


@pytest.mark.parametrize(("seconds", "pause"), [(0.0, 1.0), (0.1, 0.9), (0.15, 0.85), (0.3, 1.7), (3.0, 17.0)])
def test_rendering_takes_three_twentieths_of_the_time_at_most(seconds: float, pause: float) -> None:
    assert pause_after(seconds) == pytest.approx(pause)


def test_the_exposition_is_ready_when_the_context_is_entered_and_its_duration_is_reported() -> None:
    reported: list[float] = []
    clock = FakeClock()

    def render() -> bytes:
        clock.advance(2.0)
        return b"metrics"

    with RenderCache(render, reported.append, clock) as cache:
        assert cache.exposition.body == b"metrics"
        assert gzip.decompress(cache.exposition.gzipped) == b"metrics"
    assert reported == [2.0]


def test_an_exposition_that_cannot_be_rendered_is_empty_rather_than_old(caplog: pytest.LogCaptureFixture) -> None:
    bodies = iter([b"metrics"])
    cache = RenderCache(lambda: next(bodies), lambda seconds: None)
    cache.refresh()
    assert cache.exposition.body == b"metrics"
    cache.refresh()
    assert cache.exposition == Exposition()
    assert "the metrics cannot be rendered" in caplog.text


def test_the_interpreter_is_as_it_was_when_the_exporter_has_ended() -> None:
    before = (sys.getswitchinterval(), gc.isenabled())
    with Exporter(ClusterSource(Cluster()), ExporterOptions(), port=0):
        assert sys.getswitchinterval() < before[0]
    assert (sys.getswitchinterval(), gc.isenabled()) == before


def test_the_exporter_serves_what_the_source_knows_a_second_later() -> None:
    cluster = Cluster()
    with Exporter(ClusterSource(cluster), ExporterOptions(), port=0) as exporter:

        def scrape() -> Scrape:
            with ask(exporter.url) as response:
                return Scrape(response.read().decode())

        assert scrape().all("celery_worker_up") == []
        cluster.apply_gossip(a_gossip(), 0.0)

        def is_there() -> None:
            assert scrape().all("celery_worker_up") == [1]

        eventually(is_there, timeout=5)
        assert {"process_resident_memory_bytes", "celery_gossip_exporter_render_seconds"} <= scrape().names()


def test_an_exporter_whose_listener_is_not_connected_is_not_healthy() -> None:
    source = ClusterSource(Cluster())
    source.connected_at = None
    with Exporter(source, ExporterOptions(), port=0) as exporter:
        for path, told in (("/health", "isolated"), ("/metrics", "celery_gossip_listener_up 0.0")):
            response = httpx.get(exporter.url.replace("/metrics", path))
            assert told in response.text
        source.connected_at = 0.0
        assert httpx.get(exporter.url.replace("/metrics", "/health")).text == "ok\n"


@contextlib.contextmanager
def serving(bind: str = "127.0.0.1", **options: Any) -> Iterator[Server]:
    with Server(
        (bind, 0), get_exposition=lambda: Exposition(b"# metrics\n", b""), is_healthy=lambda: True, **options
    ) as server:
        yield server


@pytest.mark.parametrize(
    ("bind", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:9808", 200),
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "[::1]:9808", 200),
        ("127.0.0.1", "EXPORTER.example:9808", 200),
        ("127.0.0.1", "evil.example", 421),
        ("127.0.0.1", "127.0.0.1.evil.example", 421),
        ("127.0.0.1", "127.0.0.1@evil.example", 421),
        ("127.0.0.1", "10.0.0.5:9808", 421),
        ("127.0.0.1", "", 421),
        ("0.0.0.0", "10.0.0.5:9808", 200),
        ("0.0.0.0", "[2001:db8::1]:9808", 200),
        ("0.0.0.0", "evil.example", 421),
    ],
)
def test_an_unknown_host_is_refused_on_every_path(bind: str, host: str, status: int) -> None:
    with serving(bind, hosts=("exporter.example",)) as server:
        port = server.url.rpartition(":")[2]
        for path in ("/", "/metrics", "/health"):
            assert httpx.get(f"http://127.0.0.1:{port}{path}", headers={"Host": host}).status_code == status


def test_a_request_with_two_host_headers_is_refused() -> None:
    with serving() as server, connected(server) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert b" 421 " in client.recv(100)


def test_clients_that_send_nothing_take_a_bounded_number_of_threads(caplog: pytest.LogCaptureFixture) -> None:
    before = threading.active_count()
    with serving() as server, contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connected(server)).sendall(b"GET /metrics HTTP/1.1\r\n")
        for _ in range(3):
            assert httpx.get(f"{server.url}/metrics", timeout=2).status_code == 200

        def are_few() -> None:
            assert threading.active_count() - before <= 33

        eventually(are_few, timeout=5)
    assert sum("connections to the exporter" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("begins", [b"", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_client_that_drips_its_request_is_cut_off(begins: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.exporter.server._REQUEST_TIMEOUT", 0.3)
    with serving() as server, connected(server) as client:
        client.sendall(begins)
        give_up_at = time.monotonic() + 5
        with contextlib.suppress(OSError):
            while time.monotonic() < give_up_at:
                client.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() < give_up_at


def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.exporter.server._RESPONSE_TIMEOUT", 0.5)
    monkeypatch.setattr("celery_gossip.exporter.server._REQUEST_TIMEOUT", 0.2)
    large, before = Exposition(b"#" * 50_000_000, b""), threading.active_count()
    with Server(("127.0.0.1", 0), get_exposition=lambda: large, is_healthy=bool) as server, connected(server) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")

        def is_cut_off() -> None:
            assert threading.active_count() == before + 1

        time.sleep(0.3)
        eventually(is_cut_off, timeout=5)


def connected(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=5)
