"""What ails a worker in the tests of findings, for the project that imports this under GOSSIP_TEST_IMPORT.

`go_deaf`, a remote control command, cancels every consumer on the broker beneath Kombu, which goes on believing that it
consumes: so Celery's silent stop looks. The task `nothing` blocks the event loop when it is received.
"""

import time
from typing import Any

from celery.signals import task_received
from celery.worker.control import control_command

BLOCKED_FOR = 7.5  #: seconds; a finding comes after 5


@control_command()
def go_deaf(state: Any) -> dict[str, str]:
    consumer = state.consumer.task_consumer
    for tag in consumer._active_tags.values():
        consumer.channel.basic_cancel(tag)
    return {"ok": "deaf"}


@task_received.connect
def block(request: Any, **_: object) -> None:
    if request.name.endswith(".nothing"):
        time.sleep(BLOCKED_FOR)
