"""`celery gossip …` as processes of their own: watch, exporter, web."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.workers import Project

__all__ = ["commanded", "ended"]


@contextmanager
def commanded(project: Project, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """It runs; killed at the end if it still does."""
    with subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", project.module, "gossip", *arguments],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: "subprocess.Popen[str]", by: int) -> tuple[int, str]:
    """End it by this signal; the exit code, and what it wrote to stderr."""
    process.send_signal(by)
    _, errors = process.communicate(timeout=30)
    return process.returncode, errors
