"""Checks messages of the gossip exchange before anything decodes them: any client that can publish may send anything.

In this order: size, content type and compression, then the signature; the listener decodes the body. Called by a
Subscription on the listener's thread.
"""

import base64
from typing import Any, Literal

import amqp
import msgspec
from kombu.message import Message

from celery_gossip.errors import RejectedGossip
from celery_gossip.transport.stream_reader import RawDelivery
from celery_gossip.wire.messages import CONTENT_TYPE, DECODE_ERRORS, MAX_BYTES
from celery_gossip.wire.signing import Delivery, Keyring, find_signature

__all__ = ["UndecodedMessage", "parse_envelope", "parse_message", "safe_message_class"]


class UndecodedMessage(amqp.Message):  # type: ignore[misc]
    """A delivery of AMQP whose properties are not decoded yet, because decoding may raise any exception."""

    def __init__(self, delivery: RawDelivery) -> None:
        super().__init__(delivery.body)
        self.delivery_info = {"delivery_tag": delivery.tag}
        self.header = delivery.header

    def decode_properties(self) -> None:
        """Decode the content header. Raises RejectedGossip if the body is too large, or whatever py-amqp raises."""
        if self.body is None:
            raise RejectedGossip("oversized", f"{MAX_BYTES} bytes are allowed")
        self.inbound_header(self.header)


class _Properties(msgspec.Struct):
    delivery_tag: str
    body_encoding: Literal["base64", "utf-8"] | None = None


class _Envelope(msgspec.Struct, rename={"content_type": "content-type"}):
    """A message as Kombu's virtual transports write it."""

    body: str
    properties: _Properties
    headers: dict[str, Any]
    content_type: str | None = None


_envelope_decoder = msgspec.json.Decoder(_Envelope)


def parse_envelope(data: bytes, keyring: Keyring) -> Delivery | RejectedGossip:
    """Return the content of a raw message of Redis, without Kombu, whose JSON decoder may raise any exception."""
    if len(data) > 2 * MAX_BYTES:  # base64 adds a third
        return RejectedGossip("oversized", f"an envelope of {2 * MAX_BYTES} bytes is allowed")
    try:
        envelope = _envelope_decoder.decode(data)
        if "compression" in envelope.headers:
            return RejectedGossip("compressed")
        if envelope.content_type != CONTENT_TYPE:
            return RejectedGossip("content_type", repr(envelope.content_type))
        is_base64 = envelope.properties.body_encoding == "base64"
        body = base64.b64decode(envelope.body, validate=True) if is_base64 else envelope.body.encode()
    except DECODE_ERRORS as exc:
        return RejectedGossip("transport", str(exc))
    return _delivery(body, envelope.headers, keyring)


def safe_message_class(message_class: Any) -> Any:
    """Return a subclass of a channel's message class that never raises: `rejected` holds what is wrong."""

    class SafeMessage(message_class):  # type: ignore[misc]
        rejected: RejectedGossip | None = None

        def __init__(self, raw: Any, channel: Any = None, **kwargs: Any) -> None:
            try:
                if isinstance(raw, UndecodedMessage):
                    raw.decode_properties()
                _reject_compressed(raw)
                super().__init__(raw, channel=channel, **kwargs)
            except Exception as exc:
                self.errors: list[Any] = []
                tag = getattr(raw, "delivery_tag", None)
                Message.__init__(self, channel=channel, delivery_tag=tag)
                self.rejected = exc if isinstance(exc, RejectedGossip) else RejectedGossip("transport", repr(exc))

    return SafeMessage


def _reject_compressed(raw: Any) -> None:
    headers = raw.get("headers") if isinstance(raw, dict) else raw.properties.get("application_headers")
    if headers and "compression" in headers:
        raise RejectedGossip("compressed")


def parse_message(message: Any, keyring: Keyring) -> Delivery | RejectedGossip:
    """Return the content of a message of Kombu."""
    rejected: RejectedGossip | None = getattr(message, "rejected", None)
    if rejected is not None:
        return rejected
    if message.content_type != CONTENT_TYPE:
        return RejectedGossip("content_type", repr(message.content_type))
    body = message.body.encode("utf-8", "surrogatepass") if isinstance(message.body, str) else message.body
    if not isinstance(body, (bytes, bytearray, memoryview)):
        return RejectedGossip("transport", f"a body of type {type(body).__name__}")
    return _delivery(bytes(body), message.headers, keyring)


def _delivery(body: bytes, headers: Any, keyring: Keyring) -> Delivery | RejectedGossip:
    if len(body) > MAX_BYTES:  # checked before the signature, which costs time in proportion to the size
        return RejectedGossip("oversized", f"{len(body)} bytes, {MAX_BYTES} allowed")
    try:
        return Delivery(body, keyring.verify(body, find_signature(headers)))
    except RejectedGossip as exc:
        return exc
