"""Limits of names and numbers in a message, and functions that keep them. Pure; called on any thread."""

from math import nextafter
from typing import Annotated

import msgspec

from celery_gossip.wire.histogram import MAX_BUCKETS

__all__ = [
    "MAX_INTERVAL",
    "MAX_NAME",
    "Bucket",
    "Count",
    "Name",
    "Seconds",
    "SignedSeconds",
    "TotalSeconds",
    "clamp_count",
    "clamp_seconds",
    "clamp_signed",
    "clamp_total",
    "sanitize_name",
    "sanitize_text",
]

MAX_NAME = 255  #: characters of any name; the same as RabbitMQ's limit for queue names
MAX_INTERVAL = 86_400.0  #: seconds between two reports; limited because timeouts are multiples of it

Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
#: Limits of all numbers, so that a listener can display them and their sums: dates up to the year 5138, and integers
#: that JavaScript represents exactly. Workers clamp their numbers to these limits (clamp_seconds, clamp_count).
_SECONDS_BELOW = 1e11
_MAX_SECONDS = nextafter(_SECONDS_BELOW, 0.0)
_MAX_COUNT = 2**53
Count = Annotated[int, msgspec.Meta(ge=0, le=_MAX_COUNT)]
Seconds = Annotated[float, msgspec.Meta(ge=0, lt=_SECONDS_BELOW)]
SignedSeconds = Annotated[float, msgspec.Meta(gt=-_SECONDS_BELOW, lt=_SECONDS_BELOW)]
#: Sum over tasks: that of a busy worker with a backlog of a day exceeds 1e11 s within days.
TotalSeconds = Annotated[float, msgspec.Meta(ge=0, le=_MAX_COUNT)]
Bucket = Annotated[int, msgspec.Meta(ge=0, lt=MAX_BUCKETS)]


def clamp_seconds(value: float) -> float:
    """Return the seconds within the limits of a message: a clock may be wrong by any amount. NaN becomes 0.0."""
    return min(value, _MAX_SECONDS) if value > 0 else 0.0


def clamp_signed(value: float) -> float:
    """Return the seconds, which may be negative, within the limits of a message. NaN becomes 0.0."""
    return clamp_seconds(value) or -clamp_seconds(-value) or 0.0


def clamp_total(value: float) -> float:
    """Return the sum of seconds within the limits of a message."""
    return min(value, float(_MAX_COUNT))


def clamp_count(value: int) -> int:
    """Return the count within the limits of a message: a setting may be any integer."""
    return min(max(value, 0), _MAX_COUNT)


def sanitize_name(text: object) -> str:
    """Return the name with at most MAX_NAME characters; unprintable ones are escaped as by repr()."""
    return sanitize_text(text if isinstance(text, str) else str(text), MAX_NAME)


def sanitize_text(text: str, most: int) -> str:
    """Return the text with at most this number of characters; unprintable ones are escaped as by repr()."""
    text = text[:most]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return text[:most]
