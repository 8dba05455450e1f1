"""The workers of a session: two at a time, each behind a proxy of its own, with settings of its own."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kombu import Connection

from tests.support import brokers
from tests.support.proxy import Proxy
from tests.support.workers import QUIET, Project, Worker

__all__ = ["BROKERS", "Fleet", "Place", "projected"]

BROKERS = {"redis": brokers.REDIS_URL, "rabbitmq": brokers.RABBITMQ_URL}
INTERVAL = 0.25  #: seconds between the reports of a worker
_CONCURRENCY = {"prefork": 2, "threads": 4, "solo": 1, "gevent": 8, "eventlet": 8}
_PATIENCE = 6.0  #: seconds that a worker may take to end
_CUT = 0.25  #: seconds that a broken connection stays broken
_STAYS_CUT = 1.0  #: seconds after which Celery has noticed it at the latest

#: Settings of the first worker and of the second. `how` is how the bootstep is added.
_SETTINGS: tuple[dict[str, Any], ...] = (
    {"worker_soft_shutdown_timeout": 1.5, "worker_cancel_long_running_tasks_on_connection_loss": False},
    {"worker_soft_shutdown_timeout": 0.0, "worker_cancel_long_running_tasks_on_connection_loss": True},
)
_FLAGS = (QUIET, ("--without-mingle",))


@contextlib.contextmanager
def projected(broker: str, record: Path) -> Iterator[Project]:
    """A project with names of its own on that broker, and results on Redis; nothing of it stays on either."""
    project = Project(BROKERS[broker])
    project.conf |= {
        "result_backend": BROKERS["redis"],
        "result_backend_transport_options": {"global_keyprefix": f"{project.prefix}_"},
        "gossip_interval": INTERVAL,
    }
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.workload.tasks", "GOSSIP_TEST_RECORD": str(record)}
    try:
        yield project
    finally:
        project.broker_url = BROKERS[broker]
        project.clean()
        _clean_results(project.prefix)


def _clean_results(prefix: str) -> None:
    with Connection(BROKERS["redis"]) as connection:
        client = connection.default_channel.client
        keys = list(client.scan_iter(f"*{prefix}*"))
        if keys:
            client.delete(*keys)


@dataclass
class Place:
    """A worker's hostname, the proxy before its broker, and the process that has it now."""

    hostname: str
    proxy: Proxy
    settings: dict[str, Any]
    flags: tuple[str, ...]
    how: str  #: how the bootstep is added: install, steps or bootsteps; plain: not at all
    worker: Worker | None = None
    past: list[Worker] = field(default_factory=list)  #: their logs are kept


class Fleet:
    """Starts, disturbs and restarts the workers of one session. `note(what, *fields)` writes to the record."""

    def __init__(self, project: Project, pool: str, note: Any, ways: tuple[str, str]) -> None:
        self.project, self.pool, self.note = project, pool, note
        url = project.broker_url
        self.places = [
            Place(f"w{n + 1}@{project.prefix}", Proxy(url), settings, flags, how)
            for n, (settings, flags, how) in enumerate(zip(_SETTINGS, _FLAGS, ways, strict=True))
        ]

    def __enter__(self) -> "Fleet":
        for place in self.places:
            place.proxy.start()
            self.start(place)
        self.await_ready()
        return self

    def __exit__(self, *_: object) -> None:
        for place in self.places:
            for worker in (*place.past, place.worker):
                if worker is not None:
                    worker.close()
            place.proxy.close()

    @property
    def logs(self) -> list[tuple[str, str]]:
        """`(hostname, what it wrote)` of every process."""
        workers = [worker for place in self.places for worker in (*place.past, place.worker) if worker is not None]
        return [(worker.node, worker.output) for worker in workers]

    def start(self, place: Place) -> None:
        """Start a worker here; does not wait."""
        project = self.project
        if place.worker is not None:
            place.past.append(place.worker)
        own = dict(place.settings)
        environment = dict(project.extra_environment)
        if place.how == "steps":
            environment["WORKLOAD_STEP"] = "1"
        elif place.how == "bootsteps":
            own["worker_bootsteps"] = ["celery_gossip:GossipStep"]
        arguments = ["-P", self.pool, "-c", str(_CONCURRENCY[self.pool]), *place.flags]
        theirs = _changed(project, place.proxy.url, own, environment)
        theirs.install = {} if place.how == "install" else None
        place.worker = Worker(theirs, place.hostname, arguments)

    def await_ready(self) -> None:
        """Wait until every process is ready; one that ended by itself is started again."""
        for place in self.places:
            worker = place.worker
            assert worker is not None
            if worker.process.poll() is not None:
                self.note("gone", worker.node, "crash")
                self.start(place)
            assert place.worker is not None
            place.worker.await_ready(timeout=60)

    def break_connections(self, place: Place, how: str) -> None:
        """Close or reset every connection of this worker to its broker, and let it connect again soon after."""
        assert place.worker is not None
        self.note("cut", place.worker.node)
        place.proxy.cut() if how == "cut" else place.proxy.reset()
        time.sleep(_CUT)
        place.proxy.heal()
        self.note("cut", place.worker.node)  # what began in between is as likely to be lost

    def end(self, place: Place, how: str) -> None:
        """End this worker so, and start another in its place."""
        worker = place.worker
        assert worker is not None
        self.note("gone", worker.node, how)
        if how == "kill":
            os.killpg(worker.process.pid, signal.SIGKILL)
        else:
            worker.process.send_signal(signal.SIGTERM if how == "warm" else signal.SIGQUIT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(_PATIENCE)
        if worker.process.poll() is None:  # see docs/explanation/workload.md for the workers of Celery that do not end
            self.note("gone", worker.node, "kill")
            os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()
        self.start(place)


def _changed(project: Project, url: str, conf: dict[str, Any], environment: dict[str, str]) -> Project:
    """The same project as one of its workers is to see it."""
    theirs = Project(url)
    theirs.prefix = project.prefix
    theirs.conf = {**project.conf, **conf}
    theirs.extra_environment = environment
    return theirs
