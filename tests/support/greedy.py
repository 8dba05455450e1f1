"""Tasks that end their process or keep memory; `GOSSIP_TEST_IMPORT=tests.support.greedy` adds them to the project."""

import os
import signal

from tests.support.project import app

KEPT: list[bytes] = []


@app.task(name="tests.support.project.kill_itself")
def kill_itself() -> None:
    """End as the kernel ends a process that needs too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="tests.support.project.keep")
def keep(mebibytes: int) -> None:
    """Allocate so much memory, and never free it."""
    KEPT.append(b"x" * (mebibytes * 2**20))
