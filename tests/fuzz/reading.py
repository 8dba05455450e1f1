"""The decoder's promise: any bytes are a gossip or an echo that is read the same again, or one rejection."""

import math
from typing import Any

from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.encoding import encode_bounded, encode_echo
from celery_gossip.wire.messages import MAX_BYTES, REASONS, Echo, as_dict
from celery_gossip.wire.messages import decode as decoded

_MOST_TEXT = 320  #: characters of a reason, for the log


def decode(body: bytes) -> str:
    """Any bytes are a gossip or an echo that is read the same again, or one rejection."""
    try:
        message = decoded(body)
    except RejectedGossip as exc:
        return sound(exc)
    assert len(body) <= MAX_BYTES
    if isinstance(message, Echo):
        assert decoded(encode_echo(message)) == message
        return "echo"
    kept, again = encode_bounded(message)
    assert len(again) <= MAX_BYTES and decoded(again) == kept
    assert kept == message or len(again) > MAX_BYTES // 2, "something was left out though there was room"
    require_plain(as_dict(message))
    return "gossip"


def sound(refused: RejectedGossip) -> str:
    """The text of this rejection, which may be logged."""
    assert refused.reason in REASONS, refused.reason
    text = str(refused)
    assert text.isprintable() and len(text) <= _MOST_TEXT, ascii(text)
    return text


def require_plain(value: Any) -> None:
    """Every text in it can be printed, every number is one."""
    if isinstance(value, dict):
        for name, one in value.items():
            require_plain(name)
            require_plain(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            require_plain(one)
    elif isinstance(value, str):
        assert value.isprintable(), ascii(value)
    elif isinstance(value, float):
        assert math.isfinite(value)
