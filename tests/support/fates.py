"""Tasks of every fate, which record what became of them: GOSSIP_TEST_IMPORT=tests.support.fates.

GOSSIP_TEST_RECORD is a file to which each run appends a line `fate queue seconds-waited seconds-run`.
"""

import os
import time
from typing import Any

from celery.exceptions import Reject

from tests.support.project import app

FATES = ("succeed", "fail_once", "fail_otherwise", "retry", "reject")


class Mishap(Exception):
    """What goes wrong in these tests."""


def record(fate: str, request: Any, began: float) -> None:
    """One line, appended at once: several processes write to the file."""
    waited = began - request.gossip_sent_at
    queue = request.delivery_info["routing_key"]
    line = f"{fate} {queue} {waited:.9f} {time.time() - began:.9f}\n"
    file = os.open(os.environ["GOSSIP_TEST_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


@app.task(bind=True)
def succeed(self: Any, seconds: float) -> None:
    began = time.time()
    time.sleep(seconds)
    record("succeeded", self.request, began)


@app.task(bind=True)
def fail_once(self: Any, seconds: float) -> None:
    began = time.time()
    time.sleep(seconds)
    record("failed:Mishap", self.request, began)
    raise Mishap("as planned")


@app.task(bind=True)
def fail_otherwise(self: Any, seconds: float) -> None:
    began = time.time()
    time.sleep(seconds)
    record("failed:ZeroDivisionError", self.request, began)
    raise ZeroDivisionError("as planned")


@app.task(bind=True, max_retries=1)
def retry(self: Any, seconds: float) -> None:
    """Once, then it succeeds."""
    began = time.time()
    time.sleep(seconds)
    if self.request.retries:
        record("succeeded", self.request, began)
        return
    record("retried", self.request, began)
    raise self.retry(countdown=0, queue=self.request.delivery_info["routing_key"])


@app.task(bind=True, acks_late=True)
def reject(self: Any, seconds: float) -> None:
    began = time.time()
    time.sleep(seconds)
    record("rejected", self.request, began)
    raise Reject("as planned", requeue=False)
