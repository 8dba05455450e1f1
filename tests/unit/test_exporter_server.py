"""The page that is ready before it is asked for, and the server that hands it out."""

import contextlib
import gc
import gzip
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from celery_gossip.cluster import Cluster
from celery_gossip.exporter import Exporter, ExporterOptions
from celery_gossip.exporter.page import Page, Sheet, pause_after
from celery_gossip.exporter.server import Server
from tests.support import eventually
from tests.support.scrape import ClusterSource, Scrape
from tests.unit.build import FakeClock, a_gossip


@pytest.fixture
def health() -> dict[str, bool]:
    return {"is_healthy": True}


@pytest.fixture
def server(health: dict[str, bool]) -> Iterator[Server]:
    sheet = Sheet(b"# metrics\n", gzip.compress(b"# metrics\n"))
    with Server("127.0.0.1", 0, sheet=lambda: sheet, is_healthy=lambda: health["is_healthy"]) as server:
        yield server


def ask(url: str, **headers: str) -> Any:
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5)
    except urllib.error.HTTPError as error:
        return error


def test_metrics_are_served_in_the_text_format(server: Server) -> None:
    with ask(f"{server.url}/metrics?name=any") as answer:
        assert (answer.status, answer.read()) == (200, b"# metrics\n")
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "Python" not in answer.headers["Server"]


def test_metrics_are_compressed_for_who_can_read_it(server: Server) -> None:
    with ask(f"{server.url}/metrics", **{"Accept-Encoding": "deflate, gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.read()) == b"# metrics\n"


def test_there_is_an_index_and_nothing_else(server: Server) -> None:
    with ask(f"{server.url}/") as answer:
        assert b'href="/metrics"' in answer.read()
    for path in ("/metrics/", "/etc/passwd", "/%00"):
        with ask(server.url + path) as answer:
            assert answer.status == 404


def test_health_is_bad_while_the_view_is_isolated(server: Server, health: dict[str, bool]) -> None:
    with ask(f"{server.url}/health") as answer:
        assert (answer.status, answer.read()) == (200, b"ok\n")
    health["is_healthy"] = False
    with ask(f"{server.url}/health") as answer:
        assert answer.status == 503


def test_an_empty_sheet_is_an_error_and_not_an_empty_answer() -> None:
    with Server("127.0.0.1", 0, sheet=Sheet, is_healthy=bool) as server, ask(f"{server.url}/metrics") as answer:
        assert answer.status == 500


def test_garbage_harms_nobody(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    address = server.url.removeprefix("http://").split(":")
    for garbage in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET " + b"x" * 100_000, b"POST / HTTP/1.1\r\n\r\n", b""):
        with socket.create_connection((address[0], int(address[1])), timeout=5) as client:
            client.sendall(garbage)
    with ask(f"{server.url}/metrics") as answer:
        assert answer.status == 200
    assert capfd.readouterr() == ("", "")


def test_a_client_that_says_nothing_does_not_hold_up_the_next(server: Server) -> None:
    address = server.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=5):
        with ask(f"{server.url}/metrics") as answer:
            assert answer.status == 200


def test_a_port_in_use_is_an_error_at_once(server: Server) -> None:
    with pytest.raises(OSError, match="in use"):
        Server("127.0.0.1", int(server.url.rpartition(":")[2]), sheet=Sheet, is_healthy=bool)


def test_it_can_be_bound_to_another_family() -> None:
    with contextlib.suppress(OSError), Server("::1", 0, sheet=Sheet, is_healthy=lambda: True) as server:
        with ask(f"{server.url}/health") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(("took", "pause"), [(0.0, 1.0), (0.1, 0.9), (0.15, 0.85), (0.3, 1.7), (3.0, 17.0)])
def test_rendering_takes_three_twentieths_of_the_time_at_most(took: float, pause: float) -> None:
    assert pause_after(took) == pytest.approx(pause)


def test_a_page_is_there_before_anybody_asks_and_notes_what_it_took() -> None:
    noted: list[float] = []
    clock = FakeClock()

    def render() -> bytes:
        clock.advance(2.0)
        return b"figures"

    with Page(render, noted.append, clock) as page:
        assert page.sheet.body == b"figures"
        assert gzip.decompress(page.sheet.gzipped) == b"figures"
    assert noted == [2.0]


def test_a_page_that_cannot_be_rendered_is_empty_rather_than_old(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([b"figures"])
    page = Page(lambda: next(answers), lambda took: None)
    page.refresh()
    assert page.sheet.body == b"figures"
    page.refresh()
    assert page.sheet == Sheet()
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
            with ask(exporter.url) as answer:
                return Scrape(answer.read().decode())

        assert scrape().all("celery_worker_up") == []
        cluster.apply(a_gossip(), 0.0)

        def is_there() -> None:
            assert scrape().all("celery_worker_up") == [1]

        eventually(is_there, timeout=5)
        assert {"process_resident_memory_bytes", "celery_gossip_exporter_render_seconds"} <= scrape().names()
