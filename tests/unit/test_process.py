"""Characters that a terminal's encoding lacks are written as escapes."""

import io

import pytest

from celery_gossip.process import escape_unencodable


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("latin-1", b"gr\xf6\xdfe \\u4e2d"), ("ascii", b"gr\\xf6\\xdfe \\u4e2d"), ("utf-8", "größe 中".encode())],
)
def test_what_cannot_be_encoded_is_escaped_and_all_else_is_as_it_is(encoding: str, written: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    with escape_unencodable(stream, None, io.StringIO()):
        stream.write("größe 中")
    stream.flush()
    assert (raw.getvalue(), stream.errors) == (written, "strict")


def test_a_stream_that_has_a_way_of_its_own_keeps_it() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", errors="replace")
    with escape_unencodable(stream):
        assert stream.errors == "replace"


def test_a_stream_that_is_closed_meanwhile_is_left_alone() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    with escape_unencodable(stream):
        stream.close()
