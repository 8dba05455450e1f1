"""Synthetic workers that speak as real ones do, and a peer that floods them: processes of their own."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.workers import REPOSITORY, Project


def exchange_of(project: Project) -> str:
    return str(project.conf["gossip_exchange"])


@contextmanager
def voices(project: Project, count: int = 10, interval: float = 1.0) -> Iterator[tuple[str, ...]]:
    """So many workers of two queues, once per interval each; their hostnames."""
    size = (f"--workers={count}", "--queues=2", f"--interval={interval}")
    where = (f"--broker={project.broker_url}", f"--exchange={exchange_of(project)}")
    with _running(project, "benchmarks.fleet", *size, *where):
        yield tuple(f"celery@web{n:02d}" for n in range(1, count + 1))


class Flood:
    """How much has been sent."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.sent = 0
        self._process = process
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def close(self) -> None:
        self._process.kill()
        self._thread.join()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.sent = int(line)


@contextmanager
def flooded(project: Project, kind: str, rate: float) -> Iterator[Flood]:
    """A hostile peer on the project's exchange. See tests.support.flood."""
    where = (project.broker_url, exchange_of(project))
    with _running(project, "tests.support.flood", *where, kind, str(rate)) as process:
        flood = Flood(process)
        try:
            yield flood
        finally:
            flood.close()


@contextmanager
def _running(project: Project, module: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
