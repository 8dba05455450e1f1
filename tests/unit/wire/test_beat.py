"""Reports of beat: their shape and limits, and what former listeners make of them."""

import json
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_gossip.errors import OversizedGossip, RejectedGossip
from celery_gossip.wire.encoding import encode_beat
from celery_gossip.wire.limits import clamp_signed
from celery_gossip.wire.messages import MAX_BEAT_ENTRIES, MAX_BYTES, Beat, BeatEntry, Echo, decode
from tests.support.past import source_of
from tests.unit.build import BOOT, OTHER_BOOT, a_beat, an_entry

FIRST_ECHO = "9c110bfeaf2dc46033a29a0673f318d51c79ce53"  #: commit of the first listener with an echo
FIRST_SENT = "bd84950c2218c94fcf9e42a496e2427a554e4d88"  #: commit of a listener that reads the reports of senders


def a_body(**fields: Any) -> bytes:
    return json.dumps({**json.loads(encode_beat(a_beat(an_entry()))), **fields}).encode()


def test_a_report_is_read_as_it_was_written() -> None:
    beat = a_beat(
        an_entry(
            queue="mail", due=-2.5, sent_age=12.5, sends=3, runs=9, errors=1, error="Err", error_age=3.0, late=0.1
        ),
        an_entry("never", due=None),
        stalled_for=4.0,
        tick_age=3.0,
        scheduler="celery.beat:PersistentScheduler",
        digest=OTHER_BOOT,
        holds_lock=False,
        worker="celery@web1",
        worker_boot=OTHER_BOOT,
        entry_count=7,
        is_partial=True,
        sends=3,
        errors=1,
    )
    assert decode(encode_beat(beat)) == beat


def test_what_is_not_known_is_absent_on_the_wire() -> None:
    assert json.loads(encode_beat(a_beat())) == {
        "beat": 1,
        "echo": BOOT,
        "number": 1,
        "app": "shop",
        "hostname": "celerybeat@web1",
        "interval": 1.0,
        "state": "online",
        "uptime": 60.0,
    }


def test_fields_that_are_yet_to_come_are_ignored() -> None:
    longer = [[*json.loads(encode_beat(a_beat(an_entry())))["entries"][0], "more"]]
    assert decode(a_body(mood=[1], entries=longer)) == a_beat(an_entry())


def test_a_version_to_come_is_ignored_as_the_ping_of_another_listener() -> None:
    assert decode(a_body(beat=2, hostname=5)) == Echo(echo=BOOT, number=1, beat=2)


def test_no_field_has_the_name_of_another_field_of_an_echo() -> None:
    """A former listener that knows the field would read it, and refuse the message."""
    names = {field.encode_name for field in msgspec.structs.fields(Beat)} | {"beat"}
    assert names & {field.encode_name for field in msgspec.structs.fields(Echo)} == {"echo", "number", "beat"}


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"hostname": ""}, "invalid"),
        ({"hostname": "x" * 256}, "invalid"),
        ({"hostname": "beat\x1b[2J"}, "text"),
        ({"app": "a\u202e"}, "text"),
        ({"scheduler": "a\n"}, "text"),
        ({"worker": "a\0"}, "text"),
        ({"echo": "ABCDEF0123456789"}, "invalid"),
        ({"number": 0}, "invalid"),
        ({"interval": 0}, "invalid"),
        ({"interval": 86_401}, "invalid"),
        ({"state": "draining"}, "invalid"),
        ({"uptime": -1.0}, "invalid"),
        ({"stalled_for": 1e12}, "invalid"),
        ({"digest": "abc"}, "invalid"),
        ({"worker_boot": "x" * 16}, "invalid"),
        ({"holds_lock": 1}, "invalid"),
        ({"entry_count": -1}, "invalid"),
        ({"entries": [["a", "t"]] * (MAX_BEAT_ENTRIES + 1)}, "invalid"),
        ({"entries": [["a"]]}, "invalid"),
        ({"entries": [["a", "t", "", "", 1e12]]}, "invalid"),
        ({"entries": [["a", "t", "", "", -1e12]]}, "invalid"),
        ({"entries": [["a", "t", "", "", None, -1.0]]}, "invalid"),
        ({"entries": [["a", "t", "", "", None, None, -1]]}, "invalid"),
        ({"entries": [["a\t", "t"]]}, "text"),
        ({"entries": [["a", "t\r"]]}, "text"),
        ({"entries": [["a", "t", "\x07"]]}, "text"),
        ({"entries": [["a", "t", "", "\x07"]]}, "text"),
        ({"entries": [["a", "t", "", "", None, None, 0, 0, 0, "\x07"]]}, "text"),
        ({"entries": {"a": 1}}, "invalid"),
        ({"beat": "1"}, "invalid"),
    ],
)
def test_what_is_no_report_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(RejectedGossip) as refused:
        decode(a_body(**fields))
    assert refused.value.reason == reason


def test_entries_that_do_not_fit_are_left_out_from_the_last() -> None:
    entries = [an_entry("\N{PILE OF POO}" * 250 + f"{n:03}", task="\N{PILE OF POO}" * 255) for n in range(64)]
    body = encode_beat(a_beat(*entries))
    beat = decode(body)
    assert isinstance(beat, Beat)
    assert MAX_BYTES * 0.8 < len(body) <= MAX_BYTES
    assert beat.entries == tuple(entries[: len(beat.entries)]) and beat.entry_count == 64
    with pytest.raises(OversizedGossip):
        encode_beat(a_beat(scheduler="x" * MAX_BYTES))


_NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=255)
_SECONDS = st.floats(min_value=0, max_value=9e10)


@given(
    st.builds(
        BeatEntry,
        name=_NAMES,
        task=_NAMES,
        schedule=_NAMES,
        queue=_NAMES,
        due=st.none() | st.floats(min_value=-9e10, max_value=9e10),
        sent_age=st.none() | _SECONDS,
        sends=st.integers(0, 2**53),
        errors=st.integers(0, 2**53),
        error=_NAMES,
        late=st.none() | _SECONDS,
    )
)
def test_every_entry_within_the_limits_is_read_as_it_was_written(entry: BeatEntry) -> None:
    assert decode(encode_beat(a_beat(entry))) == a_beat(entry)


@given(st.binary(max_size=80), st.integers(0, 400))
def test_whatever_bytes_are_in_a_report_it_is_read_or_refused(junk: bytes, at: int) -> None:
    body = encode_beat(a_beat(an_entry()))
    try:
        decode(body[:at] + junk + body[at + len(junk) :])
    except RejectedGossip as exc:
        assert exc.reason in ("malformed", "invalid", "text", "version")


@pytest.mark.parametrize(
    "value, clamped",
    [
        (1.5, 1.5),
        (-1.5, -1.5),
        (0.0, 0.0),
        (float("nan"), 0.0),
        (1e300, 99999999999.99998),
        (-1e300, -99999999999.99998),
    ],
)
def test_seconds_that_may_be_negative_are_kept_within_the_limits(value: float, clamped: float) -> None:
    assert clamp_signed(value) == clamped
    due = decode(encode_beat(a_beat(an_entry(due=clamp_signed(value)))))
    assert isinstance(due, Beat) and due.entries[0].due == clamped


@pytest.mark.parametrize(
    "commit, path", [(FIRST_ECHO, "celery_gossip/messages.py"), (FIRST_SENT, "celery_gossip/wire/messages.py")]
)
def test_a_former_listener_takes_it_for_the_ping_of_another_listener(commit: str, path: str) -> None:
    past = ModuleType("messages_of_the_past")
    exec(compile(source_of(commit, path), "messages_of_the_past", "exec"), past.__dict__)
    read = past.decode(encode_beat(a_beat(an_entry(), sends=5, errors=2, holds_lock=True)))
    assert isinstance(read, past.Echo) and read == past.Echo(echo=BOOT, number=1)
