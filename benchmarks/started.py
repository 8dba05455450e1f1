"""Record the start of each task in a worker: GOSSIP_TEST_IMPORT=benchmarks.started.

Used by benchmarks.freshness. GOSSIP_STARTED_FILE names a file to which a line is appended for each task: its id and
Unix seconds.
"""

import os
import time
from typing import Any

from celery.signals import task_prerun


@task_prerun.connect
def note(task_id: str, **_: Any) -> None:
    """Append a line. Runs in the pool process, right before the code of the task."""
    with open(os.environ["GOSSIP_STARTED_FILE"], "a") as file:
        file.write(f"{task_id} {time.time()}\n")
