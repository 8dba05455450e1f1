"""Tasks that end as they are asked to, once a file exists: GOSSIP_TEST_IMPORT=tests.support.endings.

Each run and its end is recorded, as in tests.support.fates. `early` and `late` differ in when Celery acknowledges.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

from celery.exceptions import Ignore, Reject, Retry

from tests.support.fates import Mishap, record
from tests.support.project import app


class Particular(LookupError):
    """Cannot be rebuilt from its arguments, as pickle does: it reaches the worker as one of a base class."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")


class Unpicklable(Exception):
    """Holds what cannot be pickled."""

    def __init__(self) -> None:
        super().__init__(lambda: None)


class _Run:
    """One run of a task, which ends as a method of this class says."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self._began = time.time()

    def _record(self, fate: str) -> None:
        record(fate, self._task, self._began)

    def linger(self) -> None:
        self._record("succeeded")

    succeed = linger

    def retry(self) -> None:
        """Once; a retry that cannot be sent becomes a Reject in Celery."""
        if self._task.request.retries:
            self.succeed()
            return
        try:
            self._task.retry(countdown=0, queue=self._task.request.delivery_info["routing_key"])
        except Retry:
            self._record("retried")
            raise
        except Reject:
            self._record("rejected")
            raise

    def retry_after_a_while(self) -> None:
        if not self._task.request.retries:
            time.sleep(2)
        self.retry()

    def reject(self) -> None:
        self._record("rejected")
        raise Reject("as planned", requeue=False)

    def ignore(self) -> None:
        self._record("lingers")
        raise Ignore

    def kill(self) -> None:
        self._record("lingers")
        os.kill(os.getpid(), signal.SIGKILL)

    def fail(self) -> None:
        self._record("failed:Mishap")
        raise Mishap("as planned")

    def particular(self) -> None:
        self._record("failed:Particular")
        raise Particular(404, "as planned")

    def unpicklable(self) -> None:
        self._record("failed:Unpicklable")
        raise Unpicklable

    def local(self) -> None:
        class Local(ValueError):
            """Cannot be found by its name, so Celery itself knows the base class alone."""

            def __init__(self, one: int, other: int) -> None:
                super().__init__(one)

        self._record("failed:ValueError")
        raise Local(1, 2)


def end(task: Any, how: str, gate: str) -> None:
    """Wait for the file, then end in this way."""
    run = _Run(task)
    if how == "linger":
        record("lingers", task, time.time())
    give_up_at = time.monotonic() + 60
    while gate and not Path(gate).exists() and time.monotonic() < give_up_at:
        time.sleep(0.02)
    getattr(run, how)()


@app.task(bind=True)
def early(self: Any, how: str, gate: str = "") -> None:
    end(self, how, gate)


@app.task(bind=True, acks_late=True)
def late(self: Any, how: str, gate: str = "") -> None:
    end(self, how, gate)
