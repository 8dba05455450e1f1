"""What comes in from the gossip exchange, checked before anything unpacks it: anybody may publish anything there.

Pure but for the Message class of Kombu; called by a Subscription on the listener's thread.
"""

import base64
from typing import Any, Literal

import amqp
import msgspec
from kombu.message import Message

from celery_gossip.errors import RejectedGossip
from celery_gossip.intake import Parcel
from celery_gossip.messages import CONTENT_TYPE, MAX_BYTES

__all__ = ["Unread", "body_of", "bounded_message", "unpack"]


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


def unpack(data: bytes) -> bytes | RejectedGossip:
    """The body in a raw envelope of Redis, without Kombu: its decoder builds objects that may raise anything."""
    if len(data) > 2 * MAX_BYTES:  # base64 adds a third
        return RejectedGossip("oversized", f"an envelope of {2 * MAX_BYTES} bytes is allowed")
    try:
        envelope = _envelope_decoder.decode(data)
        if "compression" in envelope.headers:
            return RejectedGossip("compressed")
        if envelope.content_type != CONTENT_TYPE:
            return RejectedGossip("content_type", repr(envelope.content_type)[:200])
        if envelope.properties.body_encoding == "base64":
            return base64.b64decode(envelope.body, validate=True)
        return envelope.body.encode()
    except (ValueError, RecursionError) as exc:
        return RejectedGossip("transport", str(exc)[:200])


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
                self.rejected = exc if isinstance(exc, RejectedGossip) else RejectedGossip("transport", repr(exc)[:200])

    return BoundedMessage


def _refuse_compression(raw: Any) -> None:
    headers = raw.get("headers") if isinstance(raw, dict) else raw.properties.get("application_headers")
    if headers and "compression" in headers:
        raise RejectedGossip("compressed")


def body_of(message: Any) -> bytes | RejectedGossip:
    if message.rejected is not None:
        return message.rejected  # type: ignore[no-any-return]
    if message.content_type != CONTENT_TYPE:
        return RejectedGossip("content_type", repr(message.content_type)[:200])
    if isinstance(message.body, str):
        return message.body.encode("utf-8", "surrogatepass")
    if not isinstance(message.body, (bytes, bytearray, memoryview)):
        return RejectedGossip("transport", f"a body of type {type(message.body).__name__}")
    return bytes(message.body)
