"""Additional processes: Celery commands on a project, and the cost of a process."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil

from tests.support.workers import REPOSITORY, Project

__all__ = ["Cost", "Process", "cost_over", "python", "running"]


@dataclass(frozen=True)
class Cost:
    cpu: float  #: share of a core
    memory: float  #: MB, at the end

    def __str__(self) -> str:
        return f"CPU {self.cpu:6.2%} of a core, {self.memory:4.0f} MB"


class Process:
    """A process by its id; this process by default."""

    def __init__(self, pid: int | None = None) -> None:
        self._process = psutil.Process(pid)

    @property
    def cpu_seconds(self) -> float:
        """User and system seconds of the process, without its children."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        return float(self._process.memory_info().rss) / 2**20


def cost_over(processes: Sequence[Process], turns: Iterator[None]) -> list[Cost]:
    """Return the cost of each process while `turns` is exhausted."""
    began, before = time.monotonic(), [process.cpu_seconds for process in processes]
    for _ in turns:
        pass
    passed = time.monotonic() - began
    return [
        Cost((process.cpu_seconds - spent) / passed, process.memory)
        for process, spent in zip(processes, before, strict=True)
    ]


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


@contextlib.contextmanager
def running(project: Project, command: list[str]) -> Iterator[Process]:
    """Run the command in the project's environment; kill it at the end, and fail if it has ended before."""
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield Process(process.pid)
        assert process.poll() is None, f"{' '.join(command[1:])} has ended"
    finally:
        process.kill()
        process.wait()
