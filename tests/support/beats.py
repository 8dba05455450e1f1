"""Real `celery beat` processes of a project, with each of the three schedulers."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.brokers import REDIS_URL
from tests.support.waiting import eventually
from tests.support.workers import Project

SCHEDULERS = {
    "memory": "celery.beat:Scheduler",
    "persistent": "celery.beat:PersistentScheduler",
    "django": "django_celery_beat.schedulers:DatabaseScheduler",
    "redbeat": "redbeat.schedulers:RedBeatScheduler",
}
_DJANGO = "tests.support.django_beat_settings"


def an_entry(schedule: Any = 1.0, task: str = "nothing", queue: str | None = None, **fields: Any) -> dict[str, Any]:
    """An entry of `beat_schedule`, as JSON can hold it."""
    options = {} if queue is None else {"queue": queue}
    return {"task": f"tests.support.project.{task}", "schedule": schedule, "options": options, **fields}


@dataclass
class BeatProject:
    """A project with a schedule and one of the schedulers."""

    project: Project
    scheduler: str  #: key of SCHEDULERS
    folder: Path  #: of the schedule file, or of the database

    def __post_init__(self) -> None:
        conf, environment = self.project.conf, self.project.extra_environment
        conf["beat_max_loop_interval"] = 1
        if self.scheduler == "redbeat":
            prefix = f"{self.project.prefix}_redbeat:"
            conf.update(redbeat_redis_url=REDIS_URL, redbeat_key_prefix=prefix, redbeat_lock_timeout=5)
            conf["redbeat_redis_options"] = {}
        if self.scheduler == "django":
            environment.update(DJANGO_SETTINGS_MODULE=_DJANGO, GOSSIP_TEST_DATABASE=str(self.folder / "beat.sqlite3"))
            self.django("-m", "django", "migrate", "--verbosity", "0")

    def schedule(self, **entries: dict[str, Any]) -> None:
        """Set the entries with which beats start."""
        self.project.conf["beat_schedule"] = entries

    def django(self, *arguments: str) -> None:
        """Run Python with the settings of Django."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.project.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    @contextlib.contextmanager
    def beat(self, *arguments: str, name: str = "b1") -> Iterator["BeatProcess"]:
        """Run a beat; it is killed at the end if it still runs."""
        beat = BeatProcess(self, ["-s", str(self.folder / f"{name}.schedule"), *arguments])
        try:
            yield beat
        finally:
            beat.close()


#: Line of a beat that has lost a SIGTERM.
_LOST_SIGTERM = re.compile(r"SchedulingError: .*I/O operation on closed file")


class BeatProcess:
    """A `celery beat` process and what it wrote."""

    def __init__(self, project: BeatProject, arguments: list[str]) -> None:
        self._log = tempfile.NamedTemporaryFile(prefix="gossip_beat_", suffix=".log")
        command = [sys.executable, "-m", "celery", "-A", project.project.module, "beat", "-l", "INFO"]
        self.process = subprocess.Popen(
            [*command, "-S", SCHEDULERS[project.scheduler], "--pidfile=", *arguments],
            cwd=project.project.folder,
            env=project.project.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    def await_start(self, timeout: float = 60) -> None:
        def has_started() -> None:
            assert self.process.poll() is None, f"beat ended at start:\n{self.output}"
            assert "beat: Starting..." in self.output, self.output

        eventually(has_started, timeout, every=0.05)

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, timeout: float = 60) -> int:
        """End it by SIGTERM; the exit code.

        Celery raises SystemExit in its signal handler. If that interrupts redis-py while it reads a response, redis-py
        closes its buffer and raises ValueError in its place, and beat goes on: see docs/reference/limitations.md.
        """

        sent = 0

        def has_ended() -> None:
            nonlocal sent
            if sent <= len(_LOST_SIGTERM.findall(self.output)):
                self.process.terminate()
                sent += 1
            assert self.process.poll() is not None, self.output

        eventually(has_ended, timeout, every=0.02)
        return self.process.wait()

    def stop_cleanly(self) -> bool:
        """End it by SIGTERM; False if it failed.

        Celery's PersistentScheduler fails if SIGTERM interrupts one of its ticks: it closes its file, and writes to it.
        """
        return self.stop() == 0 or "invalid operation on closed shelf" in self.output

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()
