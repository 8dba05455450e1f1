"""A stream of numbered tasks into a worker, and what the worker's log says of them: each once, in order of count."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.waiting import eventually
from tests.support.workers import Project, Worker

__all__ = ["Stream", "flowing"]

ASK_EVERY = 0.1  #: seconds


@dataclass
class Stream:
    """Tasks 1 to `sent` are on their way to the worker, which runs one at a time."""

    worker: Worker
    sent: int = 0

    @property
    def ran(self) -> list[int]:
        return [int(number) for number in re.findall(r"number (\d+)\.$", self.worker.output, re.MULTILINE)]

    @property
    def broken(self) -> int:
        """How many of them did not run exactly once, or not in order."""
        ran, sent = self.ran, list(range(1, self.sent + 1))
        wrong = sum(ran.count(number) != 1 for number in sent) if ran != sent else 0
        return max(wrong, int(ran != sent))

    def await_end(self, timeout: float) -> None:
        def has_ended() -> None:
            assert self.worker.process.poll() is None, f"the worker ended:\n{self.worker.output[-3000:]}"
            assert self.sent in self.ran, f"task {self.sent} has not run: {self.ran[-3:]}"

        eventually(has_ended, timeout)


@contextmanager
def flowing(project: Project, worker: Worker, every: float = 0.02, others: Sequence[str] = ()) -> Iterator[Stream]:
    """Send a task every so many seconds while the context is open, and each of `others` (full names) beside it.

    The worker is asked for its gossip and its stats meanwhile, ten times a second; nobody waits for the answers.
    """
    stream, over = Stream(worker), threading.Event()

    def send() -> None:
        with project.app() as app, app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
            asked_at = 0.0
            while not over.wait(every):
                stream.sent += 1
                sign = app.signature("tests.support.project.shout", args=[f"number {stream.sent}."])
                sign.apply_async(queue=project.queues[0], producer=producer)
                for name in others:
                    app.send_task(name, queue=project.queues[0], producer=producer)
                if time.monotonic() > asked_at + ASK_EVERY:
                    asked_at = time.monotonic()
                    for command in ("gossip", "stats"):
                        app.control.broadcast(command, destination=[worker.node], connection=connection)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield stream
    finally:
        over.set()
        thread.join(10)
