"""Tasks of every fate, which record what became of them: GOSSIP_TEST_IMPORT=tests.support.fates.

GOSSIP_TEST_RECORD is a file to which each run appends a line, `task queue fate seconds-waited seconds-run`. Beside it,
under the same name with `.pool`, the worker's main process keeps what its pool measured, `wait|runtime least most` in
seconds: that is what gossip tells of. What a task measures by itself lies a little within.
"""

import os
import struct
import time
from typing import Any, NamedTuple

from billiard.connection import Connection
from celery.exceptions import Reject
from celery.worker import strategy
from celery.worker.request import Request

from tests.support.project import app

#: Task and the fates of its runs; `retry` has two.
FATES = {
    "succeed": ("succeeded",),
    "fail_once": ("failed:Mishap",),
    "fail_otherwise": ("failed:ZeroDivisionError",),
    "fail_late": ("failed:Mishap",),
    "retry": ("retried", "succeeded"),
    "reject": ("rejected",),
}


class Mishap(Exception):
    """What goes wrong in these tests."""


class Clocks(NamedTuple):
    """The clocks at one moment; between the two readings the process may be suspended, so `wall` is the earlier one."""

    wall: float
    monotonic: float


def write(path: str, line: str) -> None:
    """Append at once: several processes write to the file."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def record(fate: str, task: Any, began: float) -> None:
    """One run and its end."""
    request = task.request
    waited = began - request.gossip_sent_at
    queue = request.delivery_info["routing_key"]
    line = f"{task.name} {queue} {fate} {waited:.9f} {time.time() - began:.9f}"
    write(os.environ["GOSSIP_TEST_RECORD"], line)


@app.task(bind=True)
def succeed(self: Any, seconds: float) -> None:
    began = time.time()
    time.sleep(seconds)
    record("succeeded", self, began)


@app.task(bind=True)
def fail_once(self: Any, seconds: float) -> None:
    began = time.time()
    time.sleep(seconds)
    record("failed:Mishap", self, began)
    raise Mishap("as planned")


@app.task(bind=True)
def fail_otherwise(self: Any, seconds: float) -> None:
    began = time.time()
    time.sleep(seconds)
    record("failed:ZeroDivisionError", self, began)
    raise ZeroDivisionError("as planned")


@app.task(bind=True, acks_late=True, acks_on_failure_or_timeout=False)
def fail_late(self: Any, seconds: float) -> None:
    """Its message is rejected on the way."""
    began = time.time()
    time.sleep(seconds)
    record("failed:Mishap", self, began)
    raise Mishap("as planned")


@app.task(bind=True, max_retries=1)
def retry(self: Any, seconds: float) -> None:
    """Once, then it succeeds."""
    began = time.time()
    time.sleep(seconds)
    if self.request.retries:
        record("succeeded", self, began)
        return
    record("retried", self, began)
    raise self.retry(countdown=0, queue=self.request.delivery_info["routing_key"])


@app.task(bind=True, acks_late=True)
def reject(self: Any, seconds: float) -> None:
    began = time.time()
    time.sleep(seconds)
    record("rejected", self, began)
    raise Reject("as planned", requeue=False)


@app.task(bind=True)
def linger(self: Any, seconds: float) -> None:
    """Say in which process it runs, for the test to end it."""
    write(os.environ["GOSSIP_TEST_RECORD"], f"{self.name} {os.getpid()} lingers 0 0")
    time.sleep(seconds)


class OwnRequest(Request):  # type: ignore[misc]
    """A project's own, under GOSSIP_TEST_REQUEST: it looks at each step and changes none."""

    steps = 0

    def on_accepted(self, pid: Any, time_accepted: float) -> Any:
        self.steps += 1
        return super().on_accepted(pid, time_accepted)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        self.steps += 1
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def on_retry(self, exc_info: Any) -> Any:
        self.steps += 1
        return super().on_retry(exc_info)

    def send_event(self, type: Any, **fields: Any) -> Any:  # noqa: A002
        write(f"{os.environ['GOSSIP_TEST_RECORD']}.own", f"{type} {self.steps}")
        return super().send_event(type, **fields)


if os.environ.get("GOSSIP_TEST_REQUEST"):
    for task in app.tasks.values():
        task.Request = "tests.support.fates:OwnRequest"


def keep_what_the_pool_measures(create: Any) -> Any:
    """In place of Celery's create_request_cls, as another library might put something there.

    What is under test subclasses the class below and reads the clocks by itself. The callbacks that a pool is given are
    called before it, the methods of the class after it, so its readings lie between theirs.
    """

    def create_recording_cls(*args: Any, **kwargs: Any) -> Any:
        class Recording(create(*args, **kwargs)):  # type: ignore[misc]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.read_before = read_clocks()

            def __getattribute__(self, name: str) -> Any:
                # Not stored on the request: that would be a cycle, and Celery lists a request until it is collected.
                found = super().__getattribute__(name)
                return self.reading_clocks(found) if name in ("on_accepted", "on_success") else found

            def reading_clocks(self, method: Any) -> Any:
                def read_and_call(*args: Any, **kwargs: Any) -> Any:
                    self.read_before = read_clocks()
                    return method(*args, **kwargs)

                return read_and_call

            def on_accepted(self, pid: Any, time_accepted: float) -> Any:
                before, after = self.read_before, read_clocks()
                self.accepted_at = time_accepted
                sent = self.request_dict.get("gossip_sent_at")
                if sent is not None:
                    least, most = before.wall - after.monotonic, after.wall - before.monotonic
                    write_interval("wait", least + time_accepted - sent, most + time_accepted - sent)
                return super().on_accepted(pid, time_accepted)

            def on_success(self, failed__retval__runtime: Any, **kwargs: Any) -> Any:
                before, after = self.read_before, read_clocks()
                ran = failed__retval__runtime[2]  # None of a task that did not succeed
                if ran is not None:
                    write_interval("runtime", ran, ran)
                else:
                    write_interval("runtime", before.monotonic - self.accepted_at, after.monotonic - self.accepted_at)
                return super().on_success(failed__retval__runtime, **kwargs)

        return Recording

    return create_recording_cls


def read_clocks() -> Clocks:
    return Clocks(time.time(), time.monotonic())


def write_interval(name: str, least: float, most: float) -> None:
    write(f"{os.environ['GOSSIP_TEST_RECORD']}.pool", f"{name} {max(0.0, least):.9f} {max(0.0, most):.9f}")


def send_in_one_write(connection: Any, message: Any) -> None:
    """Replace billiard's method, which writes the length of a result above 16 KB, then the result.

    Celery 5.7 forgets the length that it has read when a connection is lost before the rest arrives. It never reads
    from that pool process again, and the task stays active for ever: see docs/reference/limitations.md.
    """
    connection._send(struct.pack("!i", len(message)) + bytes(message))


Connection._send_bytes = send_in_one_write
strategy.create_request_cls = keep_what_the_pool_measures(strategy.create_request_cls)
