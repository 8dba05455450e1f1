"""`celery gossip exporter` as a process of its own."""

import contextlib
import re
import subprocess
import urllib.request
from collections.abc import Iterator

from tests.support.commands import commanded, ended
from tests.support.scrape import Scrape
from tests.support.workers import Project

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
        """See tests.support.commands.ended."""
        return ended(self.process, number)


@contextlib.contextmanager
def exporting(project: Project, *flags: str) -> Iterator[Exporting]:
    """Killed at the end if it still runs."""
    with commanded(project, "exporter", "--port", "0", *flags) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"serving (http://127\.0\.0\.1:\d+/metrics), listening on (\S+)\n", line)
        assert found, line
        yield Exporting(process, found[1])
