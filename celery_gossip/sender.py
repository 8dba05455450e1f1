"""The thread between a worker's event loop and the gossip broker: DNS, TLS and sockets stall here, never there.

The step hands gossip over and collects what the thread has to say about it. The thread runs no user code and logs
nothing. It is parked while the process forks: it works only in its `Workplace`, which the fork takes first, so no child
is born while a lock that it needs (a stream's, the import system's) is held by a thread that it does not have.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from celery_gossip.backoff import backoff
from celery_gossip.messages import Gossip, fitted
from celery_gossip.metrics import Meter, Telling
from celery_gossip.parking import Workplace, park_at_forks

__all__ = ["FORK_PATIENCE", "Notice", "Publishing", "Sender"]

STALLED_AFTER = 1.5  #: intervals without a round after which the thread probes by itself
FORK_PATIENCE = 0.1  #: seconds of sleep in a turn that forks wait out; a healthy publish takes 0.5 ms
_PAUSE = 0.1  #: seconds after a turn that failed as a whole, that it may not become a busy loop
_LONGEST_WAIT = 60.0  #: seconds; bounds what a huge interval would hand to the operating system
_MOST_NOTICES = 64
_LAST_WORDS = 2  #: gossips at the end, for nothing comes after them that could make good their loss
_MOST_LAST_WORDS = 100  #: of a worker whose tasks are too many for one message


class Publishing(Protocol):
    """What the thread needs of a publisher (`celery_gossip.exchange.Publisher`)."""

    def publish(self, body: bytes) -> bool:
        """Send; False where the broker has asked to hold back. Raises anything; bounded in time."""

    def close(self) -> None:
        """Say goodbye to the broker, bounded in time. Never raises."""

    def drop(self) -> None:
        """Throw the connection away without a word to the broker. Never raises."""

    def is_refusal(self, exc: Exception) -> bool:
        """Whether a broker that is alive has said no, at a price: it is to be asked rarely."""

    def is_outage(self, exc: Exception) -> bool:
        """Whether the broker is gone, hangs, or cannot be reached."""


@dataclass(frozen=True)
class Notice:
    """Something that the thread has to say, for the event loop to log and signal."""

    kind: str  #: failed, blocked or recovered
    phase: str = ""  #: of a failure: probe, count, encode or publish
    exception: Exception | None = None
    duration: float = 0.0  #: seconds that the failed step took


class Sender:
    """Publishes the newest gossip handed over; speaks by itself when none comes.

    `submit`, `poke`, `notices` and `finish` belong to the event loop and never wait for the broker (finish: at most its
    timeout). `speak_up` is called on the thread. Reconnects for ever, with full-jitter backoff.
    """

    def __init__(
        self,
        publisher: Publishing,
        speak_up: Callable[[], Gossip | None],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        meter: Meter | None = None,
    ) -> None:
        self._publisher = publisher
        self._meter = meter or Meter(clock)
        self._speak_up = speak_up
        self._interval = interval
        self._clock = clock
        self._workplace = Workplace(FORK_PATIENCE)
        self._wake = threading.Event()
        self._slot: Gossip | None = None
        self._notices: deque[Notice] = deque(maxlen=_MOST_NOTICES)
        self._thread: threading.Thread | None = None
        self._is_finishing = False
        self._is_over = False
        self._failures = 0
        self._retry_at = 0.0
        self._is_blocked = False
        self._heard_at = clock()
        self._seq = 0
        self.is_in_doubt = False  #: the broker is gone as far as the last delivery told, or has yet to answer one
        self.latest: Gossip | None = None  #: the last gossip sent or attempted, as numbered

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; does nothing when it runs or has ended. Raises RuntimeError where there can be no more."""
        if self._is_finishing or self.is_alive:
            return
        park_at_forks(self)
        self._heard_at = self._clock()
        thread = threading.Thread(target=self._run, name="celery-gossip-sender", daemon=True)
        thread.start()
        self._thread = thread

    def submit(self, gossip: Gossip | None) -> None:
        """Hand over a round's gossip; it replaces one that was not sent yet. None: a round with nothing to say."""
        self._heard_at = self._clock()
        if gossip is not None:
            self._slot = gossip
        self._wake.set()

    def poke(self) -> None:
        """The worker's own connection is back: try again at once instead of waiting out the backoff."""
        self._retry_at = 0.0
        self._wake.set()

    def notices(self) -> list[Notice]:
        """What the thread has to say since the last call, oldest first."""
        taken = []
        while self._notices:
            taken.append(self._notices.popleft())
        return taken

    def finish(self, last: Gossip | None, timeout: float) -> bool:
        """Send the last word, then end the thread; False if it did not end within `timeout` seconds.

        It is a daemon thread whose every call to the broker is bounded: left alone it ends soon after.
        """
        if last is not None:
            self._slot = last
        self._is_finishing = True
        self.poke()
        if self._thread is not None:
            self._thread.join(timeout)
        return not self.is_alive

    def park(self) -> bool:
        """Called before a fork: wait until the thread is not at work, then keep it from work; False if it goes on.

        Waits for FORK_PATIENCE of its sleep at most, once per turn of the thread: one that sleeps for longer sits in a
        system call on the broker's socket, where it holds no lock that a child needs.
        """
        return self._workplace.close()

    def unpark(self) -> None:
        """Called after the fork, in the parent, if park() was True."""
        self._workplace.reopen()

    def _run(self) -> None:
        while not self._is_over:
            try:
                self._await_turn()
                with self._workplace:
                    self._turn()
            except Exception as exc:  # the thread must not end before its time, whatever is wrong
                self._notices.append(Notice("failed", "turn", exc))
                time.sleep(_PAUSE)

    def _await_turn(self) -> None:
        self._wake.wait(self._time_to_wait())
        self._wake.clear()

    def _time_to_wait(self) -> float:
        now = self._clock()
        due = self._speak_up_at()
        if self._slot is not None or self._retry_at > due:
            due = self._retry_at
        return min(max(0.0, due - now), _LONGEST_WAIT)

    def _speak_up_at(self) -> float:
        return self._heard_at + STALLED_AFTER * self._interval

    def _turn(self) -> None:
        # The last word is in the slot before the flag is set: a turn that has seen the flag finds it.
        is_last = self._is_over = self._is_finishing
        if is_last or self._clock() >= self._retry_at:
            gossip = self._take_newest(is_last)
            if gossip is not None and not self._send(gossip):
                self._slot = self._slot or gossip
            elif gossip is not None and is_last:
                self._repeat(gossip)
        if is_last:
            self._publisher.close()

    def _repeat(self, last: Gossip) -> None:
        """Say the last word again, and as often as it takes to tell all that was counted."""
        for said in range(1, _MOST_LAST_WORDS):
            if said >= _LAST_WORDS and not self._has_more_to_tell():
                return
            if not self._send(last) or self._is_blocked:
                return

    def _take_newest(self, is_last: bool) -> Gossip | None:
        gossip, self._slot = self._slot, None
        if is_last or self._clock() < self._speak_up_at():
            return gossip
        return self._probe() or gossip  # what waits in the slot is older than the stall

    def _probe(self) -> Gossip | None:
        # The next turn by itself comes an interval from now, unless a round comes first.
        began = self._clock()
        self._heard_at = began - (STALLED_AFTER - 1) * self._interval
        try:
            return self._speak_up()
        except Exception as exc:
            self._notices.append(Notice("failed", "probe", exc, self._clock() - began))
            return None

    def _send(self, gossip: Gossip) -> bool:
        """Whether the gossip is done with: sent, held back, or never to be sent."""
        began = self._clock()
        self._seq += 1
        try:
            self.latest = gossip = self._completed(gossip)
            self.latest, body = fitted(gossip)
        except Exception as exc:
            self._notices.append(Notice("failed", "encode", exc, self._clock() - began))
            return True
        self.is_in_doubt = True
        try:
            is_sent = self._publisher.publish(body)
        except Exception as exc:
            self._fail(exc, began)
            return False
        if is_sent:
            self._commit(len(self.latest.series))
        self._succeed(is_sent)
        return True

    def _completed(self, gossip: Gossip) -> Gossip:
        """Numbered and dated, and with what was counted until now."""
        told = self._told()
        return msgspec.structs.replace(
            gossip,
            seq=self._seq,
            sent_at=time.time(),
            series=told.series,
            overflowed=told.overflowed,
            skewed=told.skewed,
        )

    def _told(self) -> Telling:
        try:
            return self._meter.tell()
        except Exception as exc:  # the gossip is worth more than its figures
            self._notices.append(Notice("failed", "count", exc))
            return Telling()

    def _commit(self, sent: int) -> None:
        try:
            self._meter.commit(sent)
        except Exception as exc:
            self._notices.append(Notice("failed", "count", exc))

    def _has_more_to_tell(self) -> bool:
        try:
            return self._meter.is_behind
        except Exception:
            return False

    def _fail(self, exc: Exception, began: float) -> None:
        now = self._clock()
        self.is_in_doubt = self._publisher.is_outage(exc)
        self._publisher.drop()
        self._failures += 1
        self._retry_at = now + backoff(self._failures, random.random(), self._publisher.is_refusal(exc))
        self._notices.append(Notice("failed", "publish", exc, now - began))

    def _succeed(self, is_sent: bool) -> None:
        self.is_in_doubt = False
        if (self._is_blocked and is_sent) or self._failures:
            self._notices.append(Notice("recovered"))
        if not self._is_blocked and not is_sent:
            self._notices.append(Notice("blocked"))
        self._is_blocked = not is_sent
        self._failures = 0
        self._retry_at = 0.0
