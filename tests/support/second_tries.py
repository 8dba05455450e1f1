"""Tasks that the project's workers run more than once; imported by GOSSIP_TEST_IMPORT."""

import time
from typing import Any

from tests.support.project import app


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True, max_retries=3)
def again_and_sleep(self: Any) -> None:
    """Retry once, then run for a minute."""
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    time.sleep(60)


@app.task(acks_late=True, reject_on_worker_lost=True)
def sleep_late(seconds: float) -> None:
    """Run for this long; the message returns to the queue when the worker is lost."""
    time.sleep(seconds)
