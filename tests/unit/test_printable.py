"""Names of blank, hidden or combining characters are escape_text as code points, in every place that shows names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.console.line import gossip_line
from celery_gossip.console.status import status_text
from celery_gossip.printable import printable
from celery_gossip.tui.text import escape_text
from tests.unit.build import FakeClock, a_check, a_gossip

NAMES = [
    ("mail", "mail"),
    ("日本語", "日本語"),
    ("हिन्दी", "हिन्दी"),
    ("e\u0301", "e\u0301"),
    ("مرحبا", "مرحبا"),
    ("a b", "a b"),
    ("", ""),
    (" ", r"\x20"),
    (" mail ", r"\x20mail\x20"),
    ("a  b", r"a \x20b"),
    ("\u200b", r"\u200b"),
    ("\xa0", r"\xa0"),
    ("\xad", r"\xad"),
    ("\u202eliam", r"\u202eliam"),
    ("\u2066a\u2069", r"\u2066a\u2069"),
    ("\u3164", r"\u3164"),
    ("\u115f\u1160", r"\u115f\u1160"),
    ("\uffa0", r"\uffa0"),
    ("\u2800", r"\u2800"),
    ("\u034f", r"\u034f"),
    ("\ufe0f", r"\ufe0f"),
    ("\U000e0061", r"\U000e0061"),
    ("\U0001d159", r"\U0001d159"),
    ("\u0301", r"\u0301"),
    ("a \u0301", r"a \u0301"),
    ("\n\x1b\x7f", r"\n\x1b\x7f"),
]


@pytest.mark.parametrize(("name", "told"), NAMES)
def test_what_cannot_be_seen_is_a_code_point(name: str, told: str) -> None:
    assert printable(name) == escape_text(name) == told


@given(st.text())
def test_what_is_visible_stays_as_it_is(text: str) -> None:
    told = printable(text)
    assert told.isprintable() and printable(told) == told
    assert bool(told.strip()) == bool(text)


@pytest.mark.parametrize("name", ["\u3164", "\u2800", "\u0301", " "])
def test_status_and_watch_show_it(name: str) -> None:
    clock = FakeClock(1000.0)
    cluster = Cluster(clock)
    gossip = a_gossip(hostname=name, checks=(a_check(name),))
    cluster.apply_gossip(gossip, clock.now)
    code = ascii(name)[1:-1] if name != " " else r"\x20"
    assert status_text(cluster.view(), ()).count(code) == 3  # the queue, the worker, and the worker's queue
    assert gossip_line(gossip, 0.0).count(code) == 2
