"""Lines of the record of a workload, and the time of sending in each message. Imported by workers and senders.

GOSSIP_TEST_RECORD names the file. A line has tab-separated fields: what happened, Unix seconds, the run, and more:

    boot      <boot> <hostname> <pid>
    received  <run> <boot> <queue> <task> <id> <sent at> <eta>      a Request was built
    accepted  <run>                                                 the pool has accepted it
    began     <run> <pid>                                           by the task itself
    ended     <run> <outcome>                                       by the task itself, or by Celery's tracer around it
    returned  <run> <outcome>                                       the main process was handed the pool's result
    limit     <run>                                                 a hard time limit has passed, in no cold shutdown
    requeued  <run>                                                 its message was rejected to be delivered again
    revoked   <run>                                                 Celery announces it
    cancelled <run>                                                 Celery announces it
    unknown   <boot> <queue> <task>                                 Celery's log: a task that it does not know
    dropped   <boot>                                                Celery's log: a message that is no task

A run is one Request of one worker process. Its name travels to the pool in the request, so that the task knows it.
"""

import os
import time
from pathlib import Path
from typing import Any

__all__ = ["RUN", "SENT_AT", "append", "note", "stamp"]

RUN = "workload_run"  #: a field of the request
SENT_AT = "workload_sent_at"  #: a header of the message


def note(what: str, *fields: object) -> None:
    """Append a line to the file that GOSSIP_TEST_RECORD names."""
    append(os.environ["GOSSIP_TEST_RECORD"], what, *fields)


def append(path: str | Path, what: str, *fields: object) -> None:
    """Append a line at once: several processes write to the file."""
    line = "\t".join((what, f"{time.time():.6f}", *map(str, fields)))
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def stamp(headers: Any = None, **_: object) -> None:
    """Write the time of each sending, as a receiver of before_task_publish: a retry copies the headers before it."""
    if isinstance(headers, dict):
        headers[SENT_AT] = time.time()
