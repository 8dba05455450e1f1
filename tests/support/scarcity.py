"""A worker that has little of something, from its start or from when the test says: GOSSIP_TEST_IMPORT.

GOSSIP_TEST_THREADS=none: no thread may be started, as in a container whose limit of processes is reached, until remote
control tells `may_thread`; the worker gives up the rights of root first, for whom there is no limit.
GOSSIP_TEST_PROBE_MB: each probe takes so many MB of memory for as long as it lasts, as it would with a huge number of
tasks. Imported by the project.
"""

import os
import resource
from typing import Any

from celery.worker.control import control_command

from celery_gossip.worker.probe import Probe

NOBODY = 64_321  #: a user id of whom there are no processes

_, MOST = resource.getrlimit(resource.RLIMIT_NPROC)


@control_command()
def may_thread(state: Any) -> dict[str, str]:
    resource.setrlimit(resource.RLIMIT_NPROC, (MOST, MOST))
    return {"ok": "threads may be started"}


if os.environ.get("GOSSIP_TEST_THREADS") == "none":
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, MOST))

if os.environ.get("GOSSIP_TEST_PROBE_MB"):
    size = int(os.environ["GOSSIP_TEST_PROBE_MB"]) << 20
    read = Probe.read

    def read_much(self: Probe, *args: Any, **kwargs: Any) -> Any:
        taken = bytearray(size)
        reading = read(self, *args, **kwargs)
        del taken
        return reading

    Probe.read = read_much  # type: ignore[method-assign]
