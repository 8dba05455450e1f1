"""Compression of the page's files, which depends on the client, and of nothing else."""

import gzip
import re

import httpx
import pytest

from celery_gossip.web.compression import Compressed, accepts_gzip
from celery_gossip.web.static import Assets
from tests.web.served import MAX_SIZE, MAX_UNCOMPRESSED_SIZE, Served

MAIN = f"/{Assets().static}/main.js"
GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.mark.parametrize(
    ("header", "is_accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("*", True),
        ("gzip;q=0.001", True),
        ("gzip ; Q=1.000", True),
        ("identity;q=0, gzip", True),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("*, gzip;q=0", False),
        ("identity", False),
        ("deflate, br", False),
        ("gzipped", False),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=2", False),
        ("gzip;q=-1", False),
        ("gzip;q=0.1234", False),
        ("gzip;q=", False),
        ("gzip;level=9", False),
        ("gzip gzip", False),
        (",;,=,q=1,", False),
        ("gzip;q=٠.٥", False),
        ("x," * 30 + "gzip", False),
    ],
)
def test_a_client_gets_gzip_only_if_it_accepts_it_and_does_not_prefer_plain(header: str, is_accepted: bool) -> None:
    assert accepts_gzip([header]) is is_accepted


def test_a_header_may_be_sent_in_several_lines() -> None:
    assert accepts_gzip(["br", "gzip"]) and not accepts_gzip(["gzip", "gzip;q=0"]) and not accepts_gzip([])


def test_the_same_content_has_the_same_compressed_form() -> None:
    first, second = Compressed.of(b"a" * 1000), Compressed.of(b"a" * 1000)
    assert first == second and first.gzipped[4:8] == bytes(4), "the time in the header is 0"
    assert gzip.decompress(first.gzipped) == first.plain


def files_of(served: Served) -> list[str]:
    return ["/", *(f"/{path}" for path in re.findall(r'(?:href|src)="(static/[^"]+)"', served.get("/").text))]


def test_the_page_and_its_files_are_compressed_for_clients_that_accept_it(served: Served) -> None:
    transferred = uncompressed = 0
    for path in files_of(served):
        packed, plain = served.get(path, headers=GZIP), served.get(path, headers=PLAIN)
        assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert packed.content == plain.content and packed.headers["content-type"] == plain.headers["content-type"]
        assert packed.headers["cache-control"] == plain.headers["cache-control"]
        transferred += int(packed.headers["content-length"])
        uncompressed += int(plain.headers["content-length"])
    assert transferred < MAX_SIZE and 2 * transferred < uncompressed < MAX_UNCOMPRESSED_SIZE


@pytest.mark.parametrize("headers", [GZIP, PLAIN])
def test_head_has_the_headers_of_get(served: Served, headers: dict[str, str]) -> None:
    for path in ("/", MAIN):
        head, get = served.request("HEAD", path, headers=headers), served.get(path, headers=headers)
        assert encoding_of(head) == encoding_of(get)


def encoding_of(response: httpx.Response) -> tuple[str | None, ...]:
    names = ("content-encoding", "content-length", "vary", "content-type", "cache-control")
    return tuple(response.headers.get(name) for name in names)


def test_responses_that_contain_names_of_others_are_not_compressed(controlled: Served) -> None:
    """Beside the token, a name of the attacker's choice would reveal it through the length (BREACH)."""
    paths = ("/api/config", "/api/queues", "/api/openapi.json", "/metrics", "/healthz")
    for path in paths:
        response = controlled.get(path, headers=GZIP, auth=("ann", "correct horse"))
        assert response.status_code == 200 and "content-encoding" not in response.headers
    stream = controlled.request("HEAD", "/api/events?topic=fleet", headers=GZIP, auth=("ann", "correct horse"))
    assert "content-encoding" not in stream.headers
