"""No-op tasks at a constant rate, sent by a process of its own.

Used by benchmarks.traffic and benchmarks.monitors as driven(); the process is this module as a program, in the
environment of the project whose queues it fills.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import redis
from celery import Celery

from tests.support.workers import REPOSITORY, Project

__all__ = ["Load", "driven"]


NAP = 0.02  #: seconds between two checks for due tasks


class Load:
    """Result of the process; set when it has ended."""

    rate = 0.0  #: tasks per second that were sent


@contextlib.contextmanager
def driven(project: Project, rate: float) -> Iterator[Load]:
    """Send so many tasks per second to the project's queues in turn while the context is entered."""
    load = Load()
    command = [sys.executable, "-m", "benchmarks.load", str(rate)]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=project.environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        process.stdout.readline()  # until it has started, which takes long on a busy machine
        yield load
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
        found = re.search(r"[\d.]+", said)
        load.rate = float(found.group()) if found else 0.0


class Stamp:
    """Task messages for Redis, copied from one that Celery has sent, each with an id of its own.

    Costs a tenth of sending with Celery, so that the rate is kept on a machine that is busy with workers and monitors.
    """

    def __init__(self, app: Celery, scratch: str) -> None:
        self._client = redis.Redis.from_url(app.conf.broker_read_url)
        app.send_task("tests.support.project.nothing", queue=scratch)
        self._message = json.loads(self._client.rpop(scratch) or b"")
        self._client.srem(f"_kombu.binding.{scratch}", *self._client.smembers(f"_kombu.binding.{scratch}"))

    def send(self, queues: list[str]) -> None:
        """Send a task to each of these queues in one call."""
        pipeline = self._client.pipeline(transaction=False)
        for queue in queues:
            pipeline.lpush(queue, self._made_for(queue))
        pipeline.execute()

    def _made_for(self, queue: str) -> str:
        task_id, properties = str(uuid4()), self._message["properties"]
        self._message["headers"].update(id=task_id, root_id=task_id, gossip_sent_at=time.time())
        properties.update(correlation_id=task_id, delivery_tag=str(uuid4()))
        properties["delivery_info"]["routing_key"] = queue
        return json.dumps(self._message)


class Post:
    """Send with Celery on one connection; for RabbitMQ."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._producer = app.amqp.Producer(app.connection_for_write())

    def send(self, queues: list[str]) -> None:
        for queue in queues:
            self._app.send_task("tests.support.project.nothing", queue=queue, producer=self._producer)


def main() -> None:
    """Send until SIGTERM; then print the rate that was kept."""
    from tests.support.project import PREFIX, app

    rate, is_stopped, sent = float(sys.argv[1]), False, 0

    def stop(*_: Any) -> None:
        nonlocal is_stopped
        is_stopped = True

    signal.signal(signal.SIGTERM, stop)
    is_redis = app.conf.broker_read_url.startswith("redis")
    sender = Stamp(app, f"{PREFIX}_scratch_{os.getpid()}") if is_redis else Post(app)
    print("begins", flush=True)
    began = time.monotonic()
    while not is_stopped and os.getppid() != 1:
        due = int((time.monotonic() - began) * rate)
        sender.send([f"{PREFIX}_{'ab'[number % 2]}" for number in range(sent, due)])
        sent = due
        time.sleep(NAP)
    print(f"{sent / (time.monotonic() - began):.1f}")


if __name__ == "__main__":
    main()
