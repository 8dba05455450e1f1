"""Limits how many messages a listener processes, so that a client that publishes too many costs it little. Pure.

Owned by a ReceiveLoop, used on the listener's thread; time is passed in. Only messages that add nothing are dropped:
every count in a gossip is cumulative, so the newest gossip of a worker replaces the earlier ones.

A message whose `seq` is not above the highest one of its instance (`boot`) is a replay: it is dropped, and does not use
the worker's budget. Each instance that the view follows has its own budget, which no other instance of its hostname can
use.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from celery_gossip.cluster.beat_member import beat_key
from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.signing import Delivery

__all__ = ["Throttle"]

_WINDOW = 0.25  #: seconds in which the following budgets apply
_UNCHECKED = 64  #: messages that are passed on without being read; as many as one client may send
_PER_HOSTNAME = 8  #: messages of one hostname, plus eight times what its interval implies; _UNCHECKED at most
_UNKNOWN = 500  #: messages of hostnames that are not in the view, in total
_REJECTED = 64  #: messages that are no gossip, in total
_SENT = 256  #: reports of processes that send tasks, in total; their counts are cumulative as well
_STALE = 64  #: messages with an old `seq`; a few overtake each other, more are replays
_MAX_INSTANCES = 8  #: instances of one hostname whose newest message is kept

_MAX_SEQ = 2**53  #: as in celery_gossip.wire.messages.Gossip


class _Head(msgspec.Struct, gc=False):
    """The fields that are decoded while messages are limited: a third of the work of decoding all, or less."""

    app: str = ""
    hostname: str = ""
    boot: str = ""
    seq: int = 0
    interval: float = 1.0
    echo: str = ""
    number: int = 0
    beat: int = 0
    sent: msgspec.Raw = msgspec.Raw()


_decoder = msgspec.json.Decoder(_Head)
_Sender = tuple[str, bool, str]  #: hostname, is it signed, and the instance if the view follows it


def _knows_no_instance(hostname: str, boot: str, is_verified: bool | None) -> tuple[int, bool]:
    return 0, False


class KnownBeats(Protocol):
    """Beat processes in the view (`celery_gossip.cluster.cluster.Cluster`)."""

    def has_beat(self, hostname: str, app: str) -> bool:
        """Return True if this beat process is in the view."""

    def highest_beat_seq(self, hostname: str, app: str, boot: str, is_verified: bool | None) -> tuple[int, bool]:
        """Return the number of the latest report of an instance, 0 if there is none, and True if it is followed."""


class Throttle:
    """Decides which messages are processed. Counts the others in `throttled`."""

    def __init__(
        self,
        is_known: Callable[[str], bool],
        echo: str,
        highest_seq: Callable[[str, str, bool | None], tuple[int, bool]] = _knows_no_instance,
        beats: KnownBeats | None = None,
    ) -> None:
        """`is_known` returns True for hostnames in the view; `echo` is the listener's own, which is never dropped.

        `highest_seq(hostname, boot, is_verified)` returns the `seq` of the latest message of an instance, 0 if there is
        none, and True if the view follows that instance. Without `beats`, no beat process is known.
        """
        self._is_known = is_known
        self._echo = echo
        self._highest_seq = highest_seq
        self._beats = beats
        self.throttled = 0
        self.begin_window(float("-inf"))

    @property
    def most_throttled(self) -> str:
        """Hostname with the most dropped messages in this window, as the messages name it: it may be any text."""
        return max(self._dropped, key=self._dropped.__getitem__, default="")

    def admit(self, received: list[Delivery | RejectedGossip], now: float) -> Iterator[Delivery | RejectedGossip]:
        """Yield the messages to process, of these and of those that were held until the end of a window."""
        if now - self._began_at >= _WINDOW:
            held = self._held
            self.begin_window(now)
            for instances in held.values():
                yield from (message for _, message in instances.values())
        for message in received:
            self._count += 1
            if self._count <= _UNCHECKED or self._passes(message):
                yield message

    def begin_window(self, now: float) -> None:
        """Begin a new window. Messages held in the previous one are dropped, because they are stale."""
        self._began_at = now
        self._count = self._unknown = self._rejected = self._sent = self._stale = 0
        self._admitted: Counter[_Sender] = Counter()
        self._held: dict[_Sender, dict[str, tuple[int, Delivery]]] = {}  #: by instance, with the `seq`
        self._dropped: Counter[str] = Counter()  #: by hostname

    def _passes(self, message: Delivery | RejectedGossip) -> bool:
        if isinstance(message, RejectedGossip):
            return self._passes_rejected()
        head = _decode_head(message.body)
        if head.beat:
            return self._passes_beat(head, message)
        if not head.hostname or not 0 < head.seq <= _MAX_SEQ:
            return head.echo == self._echo or (self._passes_sent() if head.sent else self._passes_rejected())
        return self._passes_gossip(head, message)

    def _passes_gossip(self, head: _Head, message: Delivery) -> bool:
        if not message.is_verified and not self._is_known(head.hostname):
            return self._passes_unknown()
        known = self._highest_seq(head.hostname, head.boot, message.is_verified)
        return self._passes_known(head, message, known)

    def _passes_beat(self, head: _Head, message: Delivery) -> bool:
        beats, hostname, app = self._beats, head.hostname, head.app
        if not message.is_verified and (beats is None or not beats.has_beat(hostname, app)):
            return self._passes_unknown()
        known = (0, False) if beats is None else beats.highest_beat_seq(hostname, app, head.echo, message.is_verified)
        head.hostname, head.boot, head.seq = beat_key(hostname, app), head.echo, head.number
        return self._passes_known(head, message, known)

    def _passes_unknown(self) -> bool:
        self._unknown += 1
        return self._unknown <= _UNKNOWN or self._drop("unknown hostnames")

    def _passes_known(self, head: _Head, message: Delivery, known: tuple[int, bool]) -> bool:
        name, (highest, is_followed) = head.hostname, known
        if head.seq <= highest:
            self._stale += 1
            return self._stale > _STALE and self._drop(name)
        # Unsigned messages do not use the budget of a signed worker, nor unknown instances that of a followed one.
        sender = (name, bool(message.is_verified), head.boot if is_followed else "")
        self._admitted[sender] += 1
        return self._admitted[sender] <= _budget(head.interval) or self._hold(sender, head, message)

    def _hold(self, sender: "_Sender", head: _Head, message: Delivery) -> bool:
        """Keep the message until the window ends if it is the newest of its instance; return False."""
        held = self._held.setdefault(sender, {})
        if head.boot not in held and len(held) < _MAX_INSTANCES:
            held[head.boot] = (head.seq, message)
            return False
        if head.boot in held and head.seq > held[head.boot][0]:
            held[head.boot] = (head.seq, message)
        return self._drop(head.hostname)

    def _passes_rejected(self) -> bool:
        self._rejected += 1
        return self._rejected <= _REJECTED or self._drop("messages that are no gossip")

    def _passes_sent(self) -> bool:
        self._sent += 1
        return self._sent <= _SENT or self._drop("processes that send tasks")

    def _drop(self, hostname: str) -> bool:
        self.throttled += 1
        self._dropped[hostname] += 1
        return False


def _budget(interval: float) -> float:
    """Return the number of messages in a window for a worker with this interval in seconds."""
    return min(_UNCHECKED, _PER_HOSTNAME + 8 * _WINDOW / interval) if interval > 0 else _PER_HOSTNAME


def _decode_head(message: bytes) -> _Head:
    """Return the head of a message; an empty one if the message is no gossip."""
    try:
        return _decoder.decode(message)
    except (ValueError, RecursionError):
        return _Head()
