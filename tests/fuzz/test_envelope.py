"""What comes round a body is read strictly, and never unpacked: on Redis by our own decoder, on AMQP by py-amqp's."""

import base64
import json
import struct
from typing import Any, ClassVar

import amqp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_gossip.errors import RejectedGossip
from celery_gossip.transport.envelope import safe_message_class
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import MAX_BYTES
from tests.fuzz import ear, seed
from tests.unit.build import a_gossip

BODY = encode(a_gossip())
JSON = "application/json"
SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def heard_on_redis(payload: Any) -> Any:
    """The body, or the reason why there is none."""
    listening = ear.redis_ear()
    listening.peer.say(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    return outcome(listening.hear())


def heard_on_amqp(body: bytes = BODY, raw: bytes | None = None, **properties: Any) -> Any:
    listening = ear.amqp_ear()
    message = amqp.Message(body, **properties)
    listening.peer.say(message._serialize_properties() if raw is None else raw, body)
    return outcome(listening.hear())


def outcome(received: Any) -> Any:
    assert received is not None, "a stranger made the listener reconnect"
    return received.reason if isinstance(received, RejectedGossip) else getattr(received, "body", received)


def envelope(body: Any = None, encoding: Any = "base64", **fields: Any) -> dict[str, Any]:
    return {
        "body": base64.b64encode(BODY).decode() if body is None else body,
        "content-type": JSON,
        "headers": {},
        "properties": {"delivery_tag": "2c6cd8ab", "body_encoding": encoding},
        **fields,
    }


# Redis.


def test_a_body_in_base64_or_as_text_is_taken_as_it_was_sent() -> None:
    assert heard_on_redis(envelope()) == BODY
    assert heard_on_redis(envelope("größe", encoding="utf-8")) == "größe".encode()
    assert heard_on_redis(envelope("größe", encoding=None)) == "größe".encode()
    assert heard_on_redis({**envelope("a"), "properties": {"delivery_tag": "x"}}) == b"a"


@pytest.mark.parametrize("body", ["!", "YQ", "YQ==YQ==", "Y Q==", "größe", "YQ=\n="])
def test_what_is_not_quite_base64_is_refused(body: str) -> None:
    assert heard_on_redis(envelope(body)) == "transport"


def test_an_envelope_may_be_twice_as_long_as_a_body_and_no_longer() -> None:
    bare = len(json.dumps(envelope("", encoding=None)))
    longest = "x" * (2 * MAX_BYTES - bare)
    assert heard_on_redis(envelope(longest, encoding=None)) in (longest.encode(), "oversized")  # too long as a body
    assert heard_on_redis(envelope("x" * (MAX_BYTES - bare), encoding=None)) == b"x" * (MAX_BYTES - bare)
    assert heard_on_redis(json.dumps(envelope()).encode().ljust(2 * MAX_BYTES)) == BODY
    assert heard_on_redis(json.dumps(envelope()).encode().ljust(2 * MAX_BYTES + 1)) == "oversized"


@given(value=SOME_JSON)
@settings(deadline=None)
def test_whatever_is_announced_as_compressed_is_refused_unread(value: Any) -> None:
    assert heard_on_redis(envelope("!", headers={"compression": value})) == "compressed"
    assert heard_on_redis(envelope(headers={"compression": value}, **{"content-type": "text/plain"})) == "compressed"


@given(content_type=st.text(max_size=30) | st.none())
@settings(deadline=None)
def test_what_is_not_announced_as_json_is_refused_unread(content_type: str | None) -> None:
    expected = BODY if content_type == JSON else "content_type"
    assert heard_on_redis(envelope(**{"content-type": content_type})) in (expected, "transport")


@given(field=st.sampled_from(sorted(envelope())), value=SOME_JSON)
@settings(deadline=None)
def test_an_envelope_with_any_json_in_a_field_is_a_body_or_a_rejection(field: str, value: Any) -> None:
    ear.redis(json.dumps(envelope(**{field: value})).encode())


@pytest.mark.parametrize("field", ["body", "properties", "headers", "content-type"])
def test_an_envelope_that_lacks_something_is_refused(field: str) -> None:
    fields = envelope()
    del fields[field]
    assert heard_on_redis(fields) == ("content_type" if field == "content-type" else "transport")


@pytest.mark.parametrize("properties", [{}, {"body_encoding": "base64"}, {"delivery_tag": 1}, {"delivery_tag": None}])
def test_a_message_without_a_name_of_its_own_is_refused(properties: Any) -> None:
    assert heard_on_redis(envelope(properties=properties)) == "transport"


@pytest.mark.parametrize("encoding", ["rot13", "BASE64", "", 1, []])
def test_a_body_in_an_unknown_encoding_is_refused(encoding: Any) -> None:
    assert heard_on_redis(envelope(encoding=encoding)) == "transport"


@pytest.mark.parametrize("opening", [b"[", b'{"headers":', b'{"body":"","properties":{"delivery_tag":['])
def test_an_envelope_that_is_nested_too_deep_is_refused(opening: bytes) -> None:
    assert heard_on_redis(opening * (2 * MAX_BYTES // len(opening))) == "transport"


def test_what_is_told_of_a_strangers_content_type_is_short_and_plain() -> None:
    listening = ear.redis_ear()
    listening.peer.say(json.dumps(envelope(**{"content-type": "\x1b\n" + "x" * 10_000})).encode())
    refused = listening.hear()
    assert str(refused).startswith("content_type: '\\x1b\\nxxx") and str(refused).isprintable()
    assert len(str(refused)) < 320


# AMQP.


def test_a_body_of_amqp_is_taken_as_it_was_sent() -> None:
    assert heard_on_amqp(content_type=JSON) == BODY
    assert heard_on_amqp(b"", content_type=JSON) == b""
    assert heard_on_amqp(b"\xff\x00", content_type=JSON) == b"\xff\x00"


@given(content_type=st.text(max_size=60))
@settings(deadline=None)
def test_a_body_of_amqp_that_is_not_announced_as_json_is_refused(content_type: str) -> None:
    assert heard_on_amqp(content_type=content_type) == (BODY if content_type == JSON else "content_type")


def test_a_body_of_amqp_without_a_content_type_is_refused() -> None:
    assert heard_on_amqp() == "content_type"


HEADER_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=6,
)


@given(value=HEADER_VALUES)
@settings(deadline=None)
def test_a_body_of_amqp_that_is_announced_as_compressed_is_refused_whatever_the_method(value: Any) -> None:
    assert heard_on_amqp(content_type=JSON, application_headers={"compression": value}) == "compressed"
    assert heard_on_amqp(content_type="x", application_headers={"a": 1, "compression": value}) == "compressed"


@given(
    headers=st.dictionaries(st.text(max_size=20).filter(lambda name: name != "compression"), HEADER_VALUES, max_size=4)
)
@settings(deadline=None)
def test_other_headers_of_amqp_mean_nothing(headers: dict[str, Any]) -> None:
    assert heard_on_amqp(content_type=JSON, application_headers=headers) == BODY


@given(properties=st.binary(max_size=60))
@settings(deadline=None, max_examples=60)
def test_any_properties_of_amqp_are_a_body_or_a_rejection_or_a_reconnect(properties: bytes) -> None:
    ear.amqp(seed.packed(properties, BODY))
    content_type = struct.pack(">H", 1 << 15 | 1 << 13) + b"\x10" + JSON.encode()
    ear.amqp(seed.packed(content_type + struct.pack(">I", len(properties)) + properties, BODY))


# Any channel's message class.


class Stumbling:
    """As a transport's Message that cannot make sense of what it is given."""

    def __init__(self, raw: Any, channel: Any = None, **kwargs: Any) -> None:
        raise KeyError("x" * 1000)


class Raw:
    properties: ClassVar[dict[str, Any]] = {}
    delivery_tag = 7


@pytest.mark.parametrize("raw", [{}, {"headers": None}, {"headers": {"a": 1}}, Raw(), None, [], 7])
def test_a_message_that_cannot_be_made_waits_as_a_rejection(raw: Any) -> None:
    message = safe_message_class(Stumbling)(raw, channel=None)
    assert message.rejected.reason == "transport" and len(str(message.rejected)) < 320
    assert message.delivery_tag == getattr(raw, "delivery_tag", None) and message.errors == []
