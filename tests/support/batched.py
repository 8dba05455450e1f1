"""A task of celery-batches, for the project that imports this under GOSSIP_TEST_IMPORT."""

import time
from typing import Any

from celery_batches import Batches

from tests.support.project import app


@app.task(base=Batches, flush_every=3, flush_interval=30, name="tests.support.project.batch")
def batch(requests: Any) -> None:
    """Run for as long as the first message says."""
    time.sleep(requests[0].args[0])


@app.task(base=Batches, flush_every=3, flush_interval=30, acks_late=True, name="tests.support.project.batch_late")
def batch_late(requests: Any) -> None:
    """Do the same, acknowledging afterwards."""
    time.sleep(requests[0].args[0])
