"""`celery gossip web` as a process of its own, and passwords for it."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.support import eventually
from tests.support.workers import REPOSITORY, Project

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
        """The exit code, and what it wrote to stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


@contextmanager
def serving(project: Project, *flags: str) -> Iterator[Serving]:
    """Killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", project.module, "gossip", "web", "--port", "0", *flags],
        cwd=REPOSITORY,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"serving (http://\S+/), listening on ", line)
            assert found, (line, process.stderr and process.stderr.read())
            dashboard = Serving(process, found[1])
            eventually(dashboard.assert_hears, timeout=20, every=0.1)
            yield dashboard
        finally:
            process.kill()


def password_file(folder: Path) -> Path:
    path = folder / "passwords"
    path.write_text(f"{USER}:{PASSWORD}\n")
    path.chmod(0o600)
    return path
