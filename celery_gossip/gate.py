"""Gate: how much of what is heard a listener takes, so that who says too much costs it little. Pure; time is passed in.

Owned by a Listener, used on its thread. Nothing is kept back but what somebody says more often than can be of use: of
a worker the newest stands for the rest, and every figure in it is cumulative.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from celery_gossip.errors import RejectedGossip
from celery_gossip.signature import Delivery

__all__ = ["Gate"]

_WINDOW = 0.25  #: seconds for which each budget is
_FREE = 64  #: messages of a window that nobody looks at: as many as one peer may send
_EACH = 8  #: messages of one hostname in a window, and eight times what its interval promises, _FREE at most
_STRANGERS = 500  #: messages of hostnames that are not in the view, of all together
_REFUSED = 64  #: messages that are no gossip, of all together
_MOST_BOOTS = 8  #: of one hostname, whose newest is kept


class _Head(msgspec.Struct, gc=False):
    """What is read of a message whose sender may be flooding: a third of the work, or less."""

    hostname: str = ""
    boot: str = ""
    interval: float = 1.0
    echo: str = ""


_decoder = msgspec.json.Decoder(_Head)


class Gate:
    """sift() gives what is to be taken. What is not is counted in `throttled`, and the latest of it in `loudest`."""

    def __init__(self, is_known: Callable[[str], bool], echo: str) -> None:
        """`is_known`: whether the view has this hostname; `echo`: the listener's own, which always passes."""
        self._is_known = is_known
        self._echo = echo
        self.throttled = 0
        self.begin(float("-inf"))

    @property
    def loudest(self) -> str:
        """Who said most of what was not taken in this window, as it calls itself; any text at all."""
        return max(self._kept_back, key=self._kept_back.__getitem__, default="")

    def sift(self, received: list[Delivery | RejectedGossip], now: float) -> Iterator[Delivery | RejectedGossip]:
        """Of these messages, and of those that waited for the window to end, what is to be taken."""
        if now - self._began_at >= _WINDOW:
            held = self._held
            self.begin(now)
            for boots in held.values():
                yield from boots.values()
        for message in received:
            self._count += 1
            if self._count <= _FREE or self._passes(message):
                yield message

    def begin(self, now: float) -> None:
        """A new window; what waited for the end of the former is forgotten, for it would be stale."""
        self._began_at = now
        self._count = self._strangers = self._refused = 0
        self._said: Counter[tuple[str, bool]] = Counter()  #: by hostname, and whether it is signed
        self._held: dict[tuple[str, bool], dict[str, Delivery]] = {}
        self._kept_back: Counter[str] = Counter()  #: of whom

    def _passes(self, message: Delivery | RejectedGossip) -> bool:
        if isinstance(message, RejectedGossip):
            return self._may_be_refused()
        head = _read(message.body)
        if not head.hostname:
            return head.echo == self._echo or self._may_be_refused()
        return self._may_speak(head, message)

    def _may_speak(self, head: _Head, message: Delivery) -> bool:
        name = head.hostname
        if not message.is_verified and not self._is_known(name):
            self._strangers += 1
            return self._strangers <= _STRANGERS or self._keep_back("strangers")
        speaker = (name, bool(message.is_verified))  # who signs is not kept back for what others say in its name
        self._said[speaker] += 1
        if self._said[speaker] <= _allowed(head.interval):
            return True
        held = self._held.setdefault(speaker, {})
        if head.boot not in held and len(held) < _MOST_BOOTS:
            held[head.boot] = message
            return False
        if head.boot in held:
            held[head.boot] = message
        return self._keep_back(name)

    def _may_be_refused(self) -> bool:
        self._refused += 1
        return self._refused <= _REFUSED or self._keep_back("what is no gossip")

    def _keep_back(self, whose: str) -> bool:
        self.throttled += 1
        self._kept_back[whose] += 1
        return False


def _allowed(interval: float) -> float:
    """Messages in a window."""
    return min(_FREE, _EACH + 8 * _WINDOW / interval) if interval > 0 else _EACH


def _read(message: bytes) -> _Head:
    """Empty for what is no gossip."""
    try:
        return _decoder.decode(message)
    except (ValueError, RecursionError):
        return _Head()
