"""Flower 2.2 as a process of its own, from a folder that no other process imports from.

Its package adds a command to `celery`, so in the environment of the tests every worker would import it at its start.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support import brokers, eventually
from tests.support.workers import Project
from tests.web.web_command import PASSWORD, USER

__all__ = ["FlowerProcess", "running_flower"]

FOLDER = Path(sys.prefix) / "flower"  #: where the Makefile and tox install it
REQUIREMENTS = Path(__file__).with_name("requirements.txt")


class FlowerProcess:
    """Flower with a password and a file for its tasks. stop() and start() it again at the same address."""

    def __init__(self, project: Project, folder: Path) -> None:
        if not (FOLDER / "flower").is_dir():
            brokers.give_up(f"Flower is not installed: pip install --no-deps --target {FOLDER} -r {REQUIREMENTS}")
        port = brokers.free_port()
        self.url = f"http://127.0.0.1:{port}/"
        self._project = project
        self._log = folder / "flower.log"
        self._options = (
            "--address=127.0.0.1",
            f"--port={port}",
            f"--basic-auth={USER}:{PASSWORD}",
            "--inspect-timeout=10000",  # milliseconds; for a loaded machine, where it would show a page without data
            "--persistent=True",
            f"--db={folder / 'flower.db'}",
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it; see await_ready()."""
        paths = (str(FOLDER), os.environ.get("PYTHONPATH"))
        environment = {**self._project.environment, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", self._project.module, "flower", *self._options],
                cwd=self._project.folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def await_ready(self) -> None:
        eventually(self._assert_answers, timeout=60, every=0.1)

    def _assert_answers(self) -> None:
        assert self._process is not None and self._process.poll() is None, self.output
        try:
            assert httpx.get(f"{self.url}healthcheck", timeout=5).status_code == 200
        except httpx.HTTPError as exc:
            raise AssertionError("Flower does not answer") from exc

    def workers(self) -> dict[str, bool]:
        """Return `{hostname: is it online?}` as the page of all workers shows it."""
        answer = httpx.get(f"{self.url}workers", params={"json": 1}, auth=(USER, PASSWORD), timeout=10)
        return {worker["hostname"]: worker["status"] for worker in answer.json()["data"]}

    def stop(self) -> None:
        """Stop it as SIGTERM does: it writes its file."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def running_flower(project: Project, folder: Path) -> Iterator[FlowerProcess]:
    """Start Flower; it may not be ready yet."""
    flower = FlowerProcess(project, folder)
    try:
        flower.start()
        yield flower
    finally:
        flower.close()
