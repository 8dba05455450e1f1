"""A document that a reader follows: its files in a fresh folder, and its commands as they are written there.

Commands run with the interpreter of the tests; PYTHONPATH leads to this repository, as an installation would.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.waiting import eventually
from tests.support.workers import REPOSITORY

__all__ = ["RunningCommand", "Walkthrough"]

_PYTHON_FILE = re.compile(r"^```python\n# (?P<path>\S+\.py)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^ *```console\n(?P<lines>.*?)^ *```$", re.MULTILINE | re.DOTALL)


class RunningCommand:
    """A command that runs in the background, and what it has written."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, timeout: float = 60) -> str:
        """Return the first group of the first match in the output, or the match."""

        def is_written() -> str:
            assert self.process.poll() is None, f"it ended:\n{self.output}"
            found = re.search(pattern, self.output)
            assert found, self.output
            return found[1] if found.re.groups else found[0]

        return eventually(is_written, timeout, every=0.1)

    def stop(self, timeout: float = 30) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return self.process.wait(timeout)


class Walkthrough:
    """One document, followed in `folder` with a broker of the test's own."""

    def __init__(self, document: Path, folder: Path, broker_url: str) -> None:
        self.text = document.read_text(encoding="utf-8")
        self.folder = folder
        self.broker_url = broker_url
        self.commands = [
            line[2:].strip()
            for block in _CONSOLE.finditer(self.text)
            for line in textwrap.dedent(block["lines"]).splitlines()
            if line.startswith("$ ")
        ]

    @property
    def environment(self) -> dict[str, str]:
        programs = str(Path(sys.executable).parent)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CELERY_", "DJANGO_"))}
        return {
            **inherited,
            "CELERY_BROKER_URL": self.broker_url,
            "PATH": os.pathsep.join([programs, os.environ.get("PATH", "")]),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "",
        }

    def files(self) -> dict[str, str]:
        """Return `{path: code}` of the blocks that begin with the path of a file, with the broker of the test."""
        return {
            block["path"]: block["code"].replace("redis://localhost:6379/0", self.broker_url)
            for block in _PYTHON_FILE.finditer(self.text)
        }

    def run(self, command: str, *more: str, **replaced: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the document to its end. `more` is appended; `replaced` are texts that differ here."""
        return subprocess.run(
            self._arguments(command, more, replaced),
            cwd=self.folder,
            env={**self.environment, "DJANGO_SUPERUSER_PASSWORD": "correct-horse"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def running(self, command: str, *more: str, until: str) -> Iterator[RunningCommand]:
        """Run a command of the document in the background, from the time when `until` is in its output."""
        log = self.folder / f"{len(list(self.folder.glob('*.out')))}.out"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self._arguments(command, more, {}),
                cwd=self.folder,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = RunningCommand(process, log)
        try:
            running.wait_for(until)
            yield running
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _arguments(self, command: str, more: tuple[str, ...], replaced: dict[str, str]) -> list[str]:
        assert command in self.commands, f"the document does not show this command: {command}\n{self.commands}"
        for old, new in replaced.items():
            assert old in command
            command = command.replace(old, new)
        return [*shlex.split(command), *more]
