"""`celery gossip exporter` as a process of its own."""

import contextlib
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

from tests.support.scrape import Scrape
from tests.support.workers import REPOSITORY, Project

__all__ = ["Exporting", "exporting"]


class Exporting:
    """An exporter process that serves."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self.process = process
        self.url = url

    def text(self) -> str:
        with urllib.request.urlopen(self.url, timeout=5) as answer:
            return str(answer.read().decode())

    def scrape(self) -> Scrape:
        return Scrape(self.text())

    def stop(self, number: int) -> tuple[int, str]:
        """The exit code, and what it wrote to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors


@contextlib.contextmanager
def exporting(project: Project, *flags: str) -> Iterator[Exporting]:
    """Killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", project.module, "gossip", "exporter", "--port", "0", *flags],
        cwd=REPOSITORY,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(r"serving (http://127\.0\.0\.1:\d+/metrics), listening on (\S+)\n", line)
            assert found, line
            yield Exporting(process, found[1])
        finally:
            process.kill()
