"""When each task started, seen from within a worker: GOSSIP_TEST_IMPORT=benchmarks.started.

Used by benchmarks.freshness. GOSSIP_STARTED_FILE names a file that gets a line for each task: its id, and Unix seconds.
"""

import os
import time
from typing import Any

from celery.signals import task_prerun


@task_prerun.connect
def note(task_id: str, **_: Any) -> None:
    """In the pool's child, right before the task's own code."""
    with open(os.environ["GOSSIP_STARTED_FILE"], "a") as file:
        file.write(f"{task_id} {time.time()}\n")
