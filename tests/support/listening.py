"""A listener in a process of its own, which a test may stop: `python -m tests.support.listening` prints what it tells.

A line per change of state, `<monotonic seconds> <state> <hostname>`, one per finding, `… raised <kind>`, and one a
second of what was refused, `… refused <JSON, by reason>`, where that has changed. With an argument, `closely`, it tells
too how many gossips it took that were sent more than 3 s ago, `… stale <count>`, and whether its view is right,
`… view right` or `… view wrong`: right is one in which it hears itself, and every worker was heard of within its last
three intervals or is told to be ill.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from celery_gossip import Listener, signals
from celery_gossip.cluster.view import STATES, View
from tests.support.project import app

LOOK_EVERY = 0.1  #: seconds
STALE = 3.0  #: seconds
WELL = ("online", "draining", "stalled")


def say(what: str, whom: str) -> None:
    os.write(1, f"{time.monotonic():.3f} {what} {whom}\n".encode())  # whole, whichever thread says it


def taker_of(state: str) -> Any:
    return lambda sender, worker: say(state, worker.gossip.hostname)


class Teller:
    """Says something where it has changed; nothing at first where it is empty."""

    def __init__(self, what: str, look: Callable[[], str]) -> None:
        self._what, self._look, self._told = what, look, ""

    def tell(self) -> None:
        now = self._look()
        if now != self._told:
            self._told = now
            say(self._what, now)


class Stale:
    """How many gossips were taken too late, by the clock that all processes of a machine share."""

    def __init__(self) -> None:
        self.count = 0
        signals.gossip_received.connect(self.take)

    def take(self, sender: Any, gossip: Any) -> None:
        self.count += time.time() - gossip.sent_at > STALE


def is_right(view: View) -> bool:
    here = [worker for worker in view.workers if worker.state in WELL]
    return view.isolated_since is None and all(one.age <= 3 * one.gossip.interval for one in here)


def main(*how: str) -> None:
    for state in STATES:
        getattr(signals, f"worker_{state}").connect(taker_of(state), weak=False)
    signals.finding_raised.connect(lambda sender, finding: say("raised", finding.kind), weak=False)
    with Listener(app) as listener:
        tellers = [Teller("refused", lambda: json.dumps(listener.rejected) if listener.rejected else "")]
        if "closely" in how:
            stale = Stale()
            tellers.append(Teller("stale", lambda: str(stale.count or "")))
            tellers.append(Teller("view", lambda: "right" if is_right(listener.view()) else "wrong"))
        while not threading.Event().wait(LOOK_EVERY if "closely" in how else 1.0):
            for teller in tellers:
                teller.tell()


if __name__ == "__main__":
    main(*sys.argv[1:])
