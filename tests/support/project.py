"""The project that the tests' workers run; steered by environment variables, so that each test has names of its own.

GOSSIP_TEST_PREFIX names the queues, `<prefix>_a` and `<prefix>_b`; GOSSIP_TEST_CONF is JSON of Celery settings;
GOSSIP_TEST_INSTALL is JSON of install()'s keywords, empty for a project that never heard of this package.
GOSSIP_TEST_IMPORT names a module that is imported last, for tests that break something on purpose. GOSSIP_TEST_NAME is
the name of the app where that is not the prefix. GOSSIP_TEST_STEPS adds the bootstep by `app.steps` alone.
"""

import importlib
import json
import os
import sys
import time
from typing import Any

from celery import Celery
from celery.signals import worker_ready
from kombu import Queue

PREFIX = os.environ.get("GOSSIP_TEST_PREFIX", "gossip_test")

app = Celery(os.environ.get("GOSSIP_TEST_NAME", PREFIX))
app.conf.update(
    broker_connection_retry_on_startup=True,
    control_exchange=PREFIX,
    event_exchange=f"{PREFIX}_events",
    task_default_queue=f"{PREFIX}_a",
    task_queues=[Queue(f"{PREFIX}_a"), Queue(f"{PREFIX}_b")],
    task_ignore_result=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)
app.conf.update(json.loads(os.environ.get("GOSSIP_TEST_CONF", "{}")))


@worker_ready.connect
def say_ready(**_: object) -> None:
    """At any log level: Worker.await_ready() looks for it."""
    os.write(2, b"the worker is ready.\n")


@app.task
def nap(seconds: float) -> None:
    """Run for this long."""
    time.sleep(seconds)


@app.task
def shout(text: str) -> None:
    """Write to the stream that a stuck lock would block."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@app.task
def nothing() -> None:
    """The cheapest task there is."""


@app.task
def fail() -> None:
    """What a task must not do."""
    raise LookupError("as planned")


@app.task(bind=True, max_retries=2)
def stumble(self: Any) -> None:
    """Retry twice, a second later each time."""
    if self.request.retries < 2:
        raise self.retry(countdown=1)


if os.environ.get("GOSSIP_TEST_INSTALL"):
    import celery_gossip

    celery_gossip.install(app, **json.loads(os.environ["GOSSIP_TEST_INSTALL"]))
if os.environ.get("GOSSIP_TEST_STEPS"):
    import celery_gossip

    app.steps["consumer"].add(celery_gossip.GossipStep)
if os.environ.get("GOSSIP_TEST_IMPORT"):
    importlib.import_module(os.environ["GOSSIP_TEST_IMPORT"])
