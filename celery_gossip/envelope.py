"""What comes in from the gossip exchange, checked before anything unpacks it: anybody may publish anything there.

In this order: size, content type and compression, then the signature; what is inside is for the listener to read. Pure
but for the Message class of Kombu; called by a Subscription on the listener's thread.
"""

import base64
from typing import Any, Literal

import amqp
import msgspec
from kombu.message import Message

from celery_gossip.errors import RejectedGossip
from celery_gossip.intake import Parcel
from celery_gossip.messages import CONTENT_TYPE, MAX_BYTES
from celery_gossip.signature import Delivery, Keyring, signature_in

__all__ = ["Unread", "bounded_message", "delivery_of", "unpack"]


class Unread(amqp.Message):  # type: ignore[misc]
    """A delivery of AMQP whose properties nobody has read yet: that may raise anything."""

    def __init__(self, parcel: Parcel) -> None:
        super().__init__(parcel.body)
        self.delivery_info = {"delivery_tag": parcel.tag}
        self.header = parcel.header

    def read(self) -> None:
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


def unpack(data: bytes, keyring: Keyring) -> Delivery | RejectedGossip:
    """What is in a raw envelope of Redis, without Kombu: its decoder builds objects that may raise anything."""
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
    except (ValueError, RecursionError) as exc:
        return RejectedGossip("transport", str(exc))
    return _delivery(body, envelope.headers, keyring)


def bounded_message(message_class: Any) -> Any:
    """A subclass of the channel's Message that unpacks and raises nothing: what is wrong waits in `rejected`."""

    class BoundedMessage(message_class):  # type: ignore[misc]
        rejected: RejectedGossip | None = None

        def __init__(self, raw: Any, channel: Any = None, **kwargs: Any) -> None:
            try:
                if isinstance(raw, Unread):
                    raw.read()
                _refuse_compression(raw)
                super().__init__(raw, channel=channel, **kwargs)
            except Exception as exc:
                self.errors: list[Any] = []
                tag = getattr(raw, "delivery_tag", None)
                Message.__init__(self, channel=channel, delivery_tag=tag)
                self.rejected = exc if isinstance(exc, RejectedGossip) else RejectedGossip("transport", repr(exc))

    return BoundedMessage


def _refuse_compression(raw: Any) -> None:
    headers = raw.get("headers") if isinstance(raw, dict) else raw.properties.get("application_headers")
    if headers and "compression" in headers:
        raise RejectedGossip("compressed")


def delivery_of(message: Any, keyring: Keyring) -> Delivery | RejectedGossip:
    """What is in a message of Kombu's."""
    if message.rejected is not None:
        return message.rejected  # type: ignore[no-any-return]
    if message.content_type != CONTENT_TYPE:
        return RejectedGossip("content_type", repr(message.content_type))
    body = message.body.encode("utf-8", "surrogatepass") if isinstance(message.body, str) else message.body
    if not isinstance(body, (bytes, bytearray, memoryview)):
        return RejectedGossip("transport", f"a body of type {type(body).__name__}")
    return _delivery(bytes(body), message.headers, keyring)


def _delivery(body: bytes, headers: Any, keyring: Keyring) -> Delivery | RejectedGossip:
    if len(body) > MAX_BYTES:  # before any work is done with it
        return RejectedGossip("oversized", f"{len(body)} bytes, {MAX_BYTES} allowed")
    try:
        return Delivery(body, keyring.is_verified(body, signature_in(headers)))
    except RejectedGossip as exc:
        return exc
