"""A listener in a process of its own, which a test may stop: `python -m tests.support.listening` prints what it tells.

A line per change of state, `<monotonic seconds> <state> <hostname>`, one per finding, `… raised <kind>`, and one a
second of what was refused, `… refused <JSON, by reason>`, where that has changed.
"""

import json
import threading
import time
from typing import Any

from celery_gossip import Listener, signals
from celery_gossip.view import STATES
from tests.support.project import app


def say(what: str, whom: str) -> None:
    print(f"{time.monotonic():.3f} {what} {whom}", flush=True)


def taker_of(state: str) -> Any:
    return lambda sender, worker: say(state, worker.gossip.hostname)


def main() -> None:
    for state in STATES:
        getattr(signals, f"worker_{state}").connect(taker_of(state), weak=False)
    signals.finding_raised.connect(lambda sender, finding: say("raised", finding.kind), weak=False)
    with Listener(app) as listener:
        told = 0
        while not threading.Event().wait(1.0):
            if listener.rejected.total() != told:
                told = listener.rejected.total()
                say("refused", json.dumps(listener.rejected))


if __name__ == "__main__":
    main()
