"""A listener in a process of its own (tests.support.listening), as a test sees it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.support.waiting import eventually
from tests.support.workers import REPOSITORY, Project

LOOK_EVERY = 0.2  #: seconds between two looks at its memory


@dataclass(frozen=True)
class Line:
    """Monotonic seconds, what it tells, and of whom."""

    at: float
    what: str
    whom: str


class ListenerProcess:
    """What it has told, and the most memory that it has had."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._seen = psutil.Process(process.pid)
        self.lines: list[Line] = []
        self.most_memory = 0.0  #: MB
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=target) for target in (self._collect, self._watch)]
        for thread in self._threads:
            thread.start()

    def told(self, *what: str, after: float = 0.0, about: tuple[str, ...] = ()) -> list[Line]:
        """Of these kinds, after that moment, about these or anybody."""
        kept = [one for one in list(self.lines) if one.what in what and one.at > after]
        return [one for one in kept if not about or one.whom in about]

    def await_states(self, state: str, *hostnames: str, after: float = 0.0, timeout: float = 20.0) -> float:
        """When the last of them was first told to be in this state, monotonic seconds."""

        def are_told() -> float:
            first = {one.whom: one.at for one in reversed(self.told(state, after=after, about=hostnames))}
            assert len(first) == len(hostnames), f"{len(first)} of {len(hostnames)} are {state}: {self.lines[-5:]}"
            return max(first.values())

        return eventually(are_told, timeout)

    @property
    def refused(self) -> Counter[str]:
        """By reason, as of a second ago."""
        told = self.told("refused")
        return Counter(json.loads(told[-1].whom) if told else {})

    @property
    def stale(self) -> int:
        """Gossips taken that were sent more than 3 s before."""
        told = self.told("stale")
        return int(told[-1].whom) if told else 0

    def await_right(self, after: float, timeout: float = 20.0) -> float:
        """Seconds after that moment from which on its view has been right until now."""

        def is_right() -> float:
            told = self.told("view")
            assert told and told[-1].whom == "right", f"the view is wrong: {told[-5:]}"
            return max(0.0, told[-1].at - after)

        return eventually(is_right, timeout)

    @property
    def cpu_seconds(self) -> float:
        times = self._seen.cpu_times()
        return float(times.user + times.system)

    def stop(self) -> float:
        """As SIGSTOP does; when that was."""
        os.kill(self._process.pid, signal.SIGSTOP)
        return time.monotonic()

    @property
    def is_stopped(self) -> bool:
        return bool(self._seen.status() == psutil.STATUS_STOPPED)

    def wake(self) -> float:
        """When it goes on."""
        woken_at = time.monotonic()
        os.kill(self._process.pid, signal.SIGCONT)
        return woken_at

    def close(self) -> None:
        self._is_over.set()
        self._process.kill()
        for thread in self._threads:
            thread.join()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            at, what, whom = line.strip().split(maxsplit=2)
            self.lines.append(Line(float(at), what, whom))

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_EVERY):
            self.most_memory = max(self.most_memory, self._seen.memory_info().rss / 2**20)


@contextmanager
def listener_process(project: Project, *how: str) -> Iterator[ListenerProcess]:
    """A listener on that project's exchange. See tests.support.listening for how it may tell."""
    command = [sys.executable, "-m", "tests.support.listening", *how]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=project.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        listener = ListenerProcess(process)
        try:
            yield listener
        finally:
            listener.close()
