"""Reports of processes that send tasks: their limits, and what former listeners make of them."""

import json
from types import ModuleType
from typing import Any

import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.listener.throttle import Throttle
from celery_gossip.wire.encoding import encode_echo
from celery_gossip.wire.messages import MAX_SENT_COUNTS, Echo, SentCount, SentReport, decode
from celery_gossip.wire.signing import Delivery
from tests.support.past import source_of
from tests.unit.build import BOOT

REPORT = SentReport(
    app="shop", period=10.0, names=("mail", "shop.pack"), counts=(SentCount(0, 1, 9, 4, 12.5),), is_last=True
)
ECHO = Echo(echo=BOOT, number=7, sent=REPORT)
FIRST_ECHO = "9c110bfeaf2dc46033a29a0673f318d51c79ce53"  #: commit of the first listener with an echo


def a_body(**fields: Any) -> bytes:
    sent = {"app": "shop", "period": 10.0, "names": ["mail", "shop.pack"], "counts": [[0, 1, 9, 4, 12.5]]}
    return json.dumps({"echo": BOOT, "number": 7, "sent": {**sent, **fields}}).encode()


def test_a_report_is_read_as_it_was_written_and_a_ping_has_no_field_of_it() -> None:
    assert decode(encode_echo(ECHO)) == ECHO
    assert b"sent" not in encode_echo(Echo(echo=BOOT, number=7))
    assert json.loads(encode_echo(ECHO)) == {
        "echo": BOOT,
        "number": 7,
        "sent": {
            "app": "shop",
            "period": 10.0,
            "names": ["mail", "shop.pack"],
            "counts": [[0, 1, 9, 4, 12.5, False]],
            "is_last": True,
        },
    }


def test_fields_that_are_yet_to_come_are_ignored() -> None:
    assert decode(a_body(mood=[1])) == decode(a_body())
    assert decode(a_body(counts=[[0, 1, 9, 4, 12.5, False, "more"]])) == decode(a_body())


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"counts": [[2, 1, 9, 4, 1.0]]}, "invalid"),
        ({"counts": [[0, 2, 9, 4, 1.0]]}, "invalid"),
        ({"counts": [[0, 1, 4, 9, 1.0]]}, "invalid"),
        ({"counts": [[0, 1, -1, 0, 1.0]]}, "invalid"),
        ({"counts": [[0, 1, 2**53 + 1, 0, 1.0]]}, "invalid"),
        ({"counts": [[0, 1, 9, 4, -1.0]]}, "invalid"),
        ({"counts": [[0, 1, 9, 4, 1e12]]}, "invalid"),
        ({"counts": [[0, 1, 9, 4]]}, "invalid"),
        ({"counts": [[0, 1, 9, 4, 1.0]] * (MAX_SENT_COUNTS + 1)}, "invalid"),
        ({"names": ["x"] * (2 * MAX_SENT_COUNTS + 1)}, "invalid"),
        ({"names": ["x" * 256, "y"]}, "invalid"),
        ({"names": ["mail\n", "y"]}, "text"),
        ({"names": ["mail\u202e", "y"]}, "text"),
        ({"app": "\x1b[31m"}, "text"),
        ({"app": 5}, "invalid"),
        ({"period": -1.0}, "invalid"),
        ({"period": float("nan")}, "malformed"),
        ({"period": None}, "invalid"),
    ],
)
def test_what_is_no_report_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(RejectedGossip) as refused:
        decode(a_body(**fields))
    assert refused.value.reason == reason


@pytest.mark.parametrize("commit, path", [(FIRST_ECHO, "celery_gossip/messages.py")])
def test_a_former_listener_takes_it_for_the_ping_of_another_listener(commit: str, path: str) -> None:
    past = ModuleType("messages_of_the_past")
    exec(compile(source_of(commit, path), "messages_of_the_past", "exec"), past.__dict__)
    read = past.decode(encode_echo(ECHO))
    assert isinstance(read, past.Echo) and read == past.Echo(echo=BOOT, number=7)


def test_reports_have_a_budget_of_their_own_while_messages_are_limited() -> None:
    throttle = Throttle(lambda hostname: False, "0" * 16)
    throttle.begin_window(0.0)
    junk, report = Delivery(b"junk"), Delivery(encode_echo(ECHO))
    assert len(list(throttle.admit([junk] * 1000, 0.1))) == 128
    assert len(list(throttle.admit([report] * 1000, 0.1))) == 256
    assert throttle.throttled == 1000 - 128 + 1000 - 256
    assert len(list(throttle.admit([report] * 10, 1.0))) == 10
