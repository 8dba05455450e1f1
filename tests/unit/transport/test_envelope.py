"""A raw envelope of Redis: its size and its signature are checked before anything that is inside is read."""

import json
from typing import Any

import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.transport.envelope import parse_envelope
from celery_gossip.wire.messages import CONTENT_TYPE, MAX_BYTES
from celery_gossip.wire.signing import SIGNATURE, Delivery, Keyring

KEY = "a key of some length"
SIGNS = Keyring([KEY])


def envelope(body: str, **headers: Any) -> bytes:
    properties = {"delivery_tag": "x", "body_encoding": None}
    return json.dumps(
        {"body": body, "content-type": CONTENT_TYPE, "headers": headers, "properties": properties}
    ).encode()


def reason_of(taken: Delivery | RejectedGossip) -> str:
    assert isinstance(taken, RejectedGossip)
    return taken.reason


def test_a_body_of_just_the_limit_is_taken_and_a_longer_one_is_not() -> None:
    body = "x" * MAX_BYTES
    assert parse_envelope(envelope(body), Keyring()) == Delivery(body.encode())
    assert reason_of(parse_envelope(envelope(body + "x"), Keyring())) == "oversized"


@pytest.mark.parametrize(("size", "reason"), [(2 * MAX_BYTES, "transport"), (2 * MAX_BYTES + 1, "oversized")])
def test_an_envelope_of_more_than_twice_the_limit_is_not_read(size: int, reason: str) -> None:
    assert reason_of(parse_envelope(b"x" * size, Keyring())) == reason


def test_what_is_signed_is_verified_and_what_is_signed_wrongly_refused() -> None:
    headers = SIGNS.signature_headers(b"said")
    assert parse_envelope(envelope("said", **headers), SIGNS) == Delivery(b"said", is_verified=True)
    assert parse_envelope(envelope("said"), SIGNS) == Delivery(b"said", is_verified=False)
    assert reason_of(parse_envelope(envelope("forged", **headers), SIGNS)) == "signature"
    assert reason_of(parse_envelope(envelope("said", **{SIGNATURE: 1}), SIGNS)) == "signature"


@pytest.mark.parametrize("junk", ["é" * 5000, "\x1b[2J" * 1000])
def test_what_is_told_of_a_refusal_is_bounded(junk: str) -> None:
    raw = envelope("said").replace(b"application/json", json.dumps(junk)[1:-1].encode())
    taken = parse_envelope(raw, Keyring())
    assert reason_of(taken) == "content_type" and len(str(taken)) < 400
