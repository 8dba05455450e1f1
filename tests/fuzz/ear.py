"""What a Subscription promises of anything that a broker hands over: one body or one rejection, or a reconnect."""

import time
from functools import cache
from typing import Any

from celery import Celery

from celery_gossip import GossipOptions
from celery_gossip.errors import RejectedGossip
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.subscription import Subscription
from tests.fuzz import seed
from tests.fuzz.peer import AmqpPeer, Peer, RedisPeer
from tests.fuzz.reading import decode, sound

_ANSWER_WITHIN = 5.0  #: seconds
_MOST_LOOKS = 100


class Ear:
    """A Subscription to a broker that says what the test wants it to say; reconnects as a Listener would."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        app = Celery("shop", broker=peer.url, set_as_current=False)
        # Time stands still: between two inputs, tests that do not look at this connection may run for minutes.
        self._subscription = Subscription(open_broker(app, GossipOptions()), clock=lambda: 0.0)
        self._open()

    def reconnect(self) -> None:
        """Connect again, with a second try: a peer on a machine with too much to do answers too late."""
        self._subscription.fail_over()
        try:
            self._open()
        except Exception:
            self._subscription.fail_over()
            self._open()

    def hear(self) -> Any:
        """The one body or rejection that has come; None where the connection has to be built anew."""
        received: list[Any] = []
        give_up_at = time.monotonic() + _ANSWER_WITHIN
        try:
            while not received and time.monotonic() < give_up_at:  # a long one comes in pieces
                received = self._subscription.receive(_ANSWER_WITHIN)
        except Exception:  # whatever it is, a Listener drops the connection
            self.reconnect()
            return None
        assert len(received) == 1, f"{len(received)} of one message"
        return received[0]

    def end_of(self, frames: bytes) -> Exception | None:
        """Return what the broker's words, after which it stays connected, end the connection with; None: nothing."""
        self.peer.say_raw(frames)
        try:
            for _ in range(2):  # what follows the first look would be read from another connection
                self._subscription.receive(_ANSWER_WITHIN / 10)
        except Exception as exc:
            self.reconnect()
            return exc
        return None

    def hear_the_end(self) -> str:
        """Listen until the connection breaks, as it must once the broker has ended it: what was said of it."""
        for _ in range(_MOST_LOOKS):
            try:
                for received in self._subscription.receive(_ANSWER_WITHIN):
                    _read(received)
            except AssertionError:
                raise
            except Exception as exc:
                assert self._subscription._reads_in_bulk, f"taken for a client library that has changed: {exc!r}"
                self.reconnect()
                return repr(exc)
        raise AssertionError("the end of the connection was not noticed")

    def close(self) -> None:
        self._subscription.fail_over()
        self.peer.close()

    def _open(self) -> None:
        self.peer.is_subscribed.clear()
        self._subscription.open()
        assert self.peer.is_subscribed.wait(_ANSWER_WITHIN)


@cache
def redis_ear() -> Ear:
    return Ear(RedisPeer())


@cache
def amqp_ear() -> Ear:
    return Ear(AmqpPeer())


def redis(payload: bytes) -> str:
    """Any payload on the channel of Redis is one body or one rejection, and never costs the connection."""
    ear = redis_ear()
    ear.peer.say(payload)
    received = ear.hear()
    assert received is not None, "a stranger made the listener reconnect"
    return _read(received)


def amqp(message: bytes) -> str:
    """Any message of AMQP is one body or one rejection, or costs one reconnect, after which everything is heard."""
    ear = amqp_ear()
    ear.peer.say(*seed.unpacked(message))
    received = ear.hear()
    if received is None or getattr(received, "reason", "") == "transport":
        _require_heard_again(ear)
    return "a reconnect" if received is None else _read(received)


def _read(received: Any) -> str:
    if isinstance(received, RejectedGossip):
        return sound(received)
    return decode(getattr(received, "body", received))


def _require_heard_again(ear: Ear) -> None:
    valid = seed.unpacked(seed.amqp_messages()[0])
    for _ in range(2):  # what has put the connection out of step is told first, and raised at the next look
        ear.peer.say(*valid)
        received = ear.hear()
        if received is not None:
            assert not isinstance(received, RejectedGossip), received
            return
    raise AssertionError("a message of an honest worker is not heard any more")


def redis_replies(data: bytes) -> str:
    """A broker that is none, or is broken, costs a reconnect whatever it says."""
    return _after_nonsense(redis_ear(), data)


def amqp_frames(data: bytes) -> str:
    """The same, of AMQP."""
    return _after_nonsense(amqp_ear(), data)


def _after_nonsense(ear: Ear, data: bytes) -> str:
    ear.peer.say_raw(data)
    ear.peer.hang_up()
    return ear.hear_the_end()
