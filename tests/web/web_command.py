"""`celery gossip web` in a process of its own, and a password file for it."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.support import eventually
from tests.support.commands import commanded, ended
from tests.support.workers import Project

__all__ = ["RunningDashboard", "password_file", "running_dashboard"]

USER, PASSWORD = "ann", "correct-horse"


@dataclass(frozen=True)
class RunningDashboard:
    """A dashboard that serves at `url`."""

    process: "subprocess.Popen[str]"
    url: str

    @property
    def authenticated_url(self) -> str:
        """The URL with user and password."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{USER}:{PASSWORD}@{parts.netloc}").geturl()

    def assert_connected(self) -> None:
        """Check that it listens; messages that were published before are not received."""
        assert httpx.get(f"{self.url}healthz", timeout=5).status_code == 200

    def stop(self) -> tuple[int, str]:
        """Stop it and return its exit code and log; see tests.support.commands.ended."""
        return ended(self.process, signal.SIGTERM)


@contextmanager
def running_dashboard(project: Project, *flags: str) -> Iterator[RunningDashboard]:
    """Run the command until the end of the context."""
    with commanded(project, "web", "--port", "0", *flags) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"serving (http://\S+/), listening on ", line)
        assert found, (line, process.stderr and process.stderr.read())
        dashboard = RunningDashboard(process, found[1])
        eventually(dashboard.assert_connected, timeout=20, every=0.1)
        yield dashboard


def password_file(folder: Path) -> Path:
    path = folder / "passwords"
    path.write_text(f"{USER}:{PASSWORD}\n")
    path.chmod(0o600)
    return path
