"""No-op tasks at a steady rate, sent by processes of their own.

Used by benchmarks.traffic and benchmarks.monitors as driven(); each process is this module as a program, in the
environment of the project whose queues it fills.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from math import ceil
from typing import Any

from tests.support.workers import REPOSITORY, Project

__all__ = ["Load", "driven"]


MOST = 250.0  #: tasks a second that one process is asked for


class Load:
    """What the processes have done; known when they have ended."""

    rate = 0.0  #: tasks a second that were really sent


@contextlib.contextmanager
def driven(project: Project, rate: float) -> Iterator[Load]:
    """Send so many tasks a second to the project's queues in turn, as long as the context lasts."""
    load, senders = Load(), ceil(rate / MOST)
    processes = [_start(project, rate / senders) for _ in range(senders)]
    try:
        yield load
    finally:
        for process in processes:
            process.terminate()
        load.rate = sum(_rate_of(process) for process in processes)


def _start(project: Project, rate: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.load", str(rate)]
    return subprocess.Popen(command, cwd=REPOSITORY, env=project.environment, stdout=subprocess.PIPE, text=True)


def _rate_of(process: "subprocess.Popen[str]") -> float:
    said, _ = process.communicate(timeout=30)
    found = re.search(r"[\d.]+", said)
    return float(found.group()) if found else 0.0


def main() -> None:
    """Send until SIGTERM; then print the rate that was kept."""
    from tests.support.project import PREFIX, app

    rate, is_stopped = float(sys.argv[1]), False

    def stop(*_: Any) -> None:
        nonlocal is_stopped
        is_stopped = True

    signal.signal(signal.SIGTERM, stop)
    began = time.monotonic()
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for number in count():
            while not is_stopped and (ahead := began + number / rate - time.monotonic()) > 0:
                time.sleep(min(ahead, 0.1))
            if is_stopped or os.getppid() == 1:
                break
            queue = f"{PREFIX}_{'ab'[number % 2]}"
            app.send_task("tests.support.project.nothing", queue=queue, producer=producer)
    print(f"{number / (time.monotonic() - began):.1f}")


if __name__ == "__main__":
    main()
