"""A listener in a process of its own that counts: `python -m tests.support.tally FILE`, until SIGTERM.

FILE is written anew every second: JSON of `heard`, `{hostname: [gossips, monotonic seconds of the latest]}`, `states`,
a list of `[monotonic seconds, state, hostname]`, `findings`, the kinds that were raised, and `rejected`.
"""

import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from celery_gossip import Listener, signals
from celery_gossip.cluster.view import STATES
from tests.support.project import app

SAVE_EVERY = 1.0  #: seconds

heard: dict[str, tuple[int, float]] = {}
states: list[tuple[float, str, str]] = []
findings: list[str] = []


def count(sender: Any, gossip: Any) -> None:
    heard[gossip.hostname] = (heard.get(gossip.hostname, (0, 0.0))[0] + 1, time.monotonic())


def taker_of(state: str) -> Any:
    return lambda sender, worker: states.append((time.monotonic(), state, worker.gossip.hostname))


def save(path: Path, listener: Listener) -> None:
    told = {"heard": heard.copy(), "states": states, "findings": findings, "rejected": listener.rejected}
    new = path.with_suffix(".new")
    new.write_text(json.dumps(told))
    new.rename(path)


def main(path: Path) -> None:
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    signals.gossip_received.connect(count)
    for state in STATES:
        getattr(signals, f"worker_{state}").connect(taker_of(state), weak=False)
    signals.finding_raised.connect(lambda sender, finding: findings.append(finding.kind), weak=False)
    with Listener(app) as listener:
        while not ending.wait(SAVE_EVERY):
            save(path, listener)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
