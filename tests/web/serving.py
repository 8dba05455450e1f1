"""`celery gossip web` as a process of its own, and passwords for it."""

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

__all__ = ["Serving", "password_file", "serving"]

USER, PASSWORD = "ann", "correct-horse"


@dataclass(frozen=True)
class Serving:
    """It serves at `url`."""

    process: "subprocess.Popen[str]"
    url: str

    @property
    def known_url(self) -> str:
        """The same, with who asks."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{USER}:{PASSWORD}@{parts.netloc}").geturl()

    def assert_hears(self) -> None:
        """What is said before is not heard."""
        assert httpx.get(f"{self.url}healthz", timeout=5).status_code == 200

    def stop(self) -> tuple[int, str]:
        """See tests.support.commands.ended."""
        return ended(self.process, signal.SIGTERM)


@contextmanager
def serving(project: Project, *flags: str) -> Iterator[Serving]:
    """Killed at the end if it still runs."""
    with commanded(project, "web", "--port", "0", *flags) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"serving (http://\S+/), listening on ", line)
        assert found, (line, process.stderr and process.stderr.read())
        dashboard = Serving(process, found[1])
        eventually(dashboard.assert_hears, timeout=20, every=0.1)
        yield dashboard


def password_file(folder: Path) -> Path:
    path = folder / "passwords"
    path.write_text(f"{USER}:{PASSWORD}\n")
    path.chmod(0o600)
    return path
