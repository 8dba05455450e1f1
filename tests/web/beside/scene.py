"""The scene: workers in several pools and tasks in every state, on a private Redis. Both monitors watch it.

The scene does not change: tests that change something send tasks of their own to the worker `idle`, or stop workers
that only they use.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support import eventually
from tests.support.brokers import PrivateBroker
from tests.support.workers import Project, Worker

__all__ = ["TASK", "Scene", "open_scene"]

FOREVER = 3600.0  #: seconds of a task that hangs
TASK = "tests.web.beside.tasks"
#: `{name of the worker: (pool, slots, queue, options)}`
WORKERS: dict[str, tuple[str, int, str, tuple[str, ...]]] = {
    "busy": ("prefork", 2, "a", ()),
    "mixed": ("threads", 2, "b", ()),
    "solo": ("solo", 1, "solo", ()),
    "idle": ("prefork", 2, "idle", ()),
    "auto": ("prefork", 1, "auto", ("--autoscale=2,1",)),
    "spare": ("solo", 1, "spare", ()),
    "doomed": ("threads", 1, "doomed", ()),
}
FLAGS = ("-E", "--without-mingle", "--without-gossip")  # heartbeats stay, because Flower needs them
SETTINGS = {
    "gossip_failure_details": "traceback",
    "worker_prefetch_multiplier": 1,
    "worker_pool_restarts": True,
}


@dataclass
class Scene:
    """The workers by their names, and the ids of the tasks."""

    project: Project
    broker: PrivateBroker
    workers: dict[str, Worker] = field(default_factory=dict)
    hung: str = ""  #: runs on `busy` for an hour
    also_hung: str = ""
    reserved: str = ""  #: waits behind these
    scheduled: str = ""  #: is due in an hour, on `busy`
    failed: str = ""
    succeeded: str = ""
    parent: str = ""  #: has sent another task
    unknown: str = ""  #: of a name that no worker has registered
    blocking: str = ""  #: runs on `solo`

    def start_workers(self) -> None:
        """Start the workers side by side; they are not ready yet."""
        for name, (pool, slots, queue, options) in WORKERS.items():
            arguments = ["-P", pool, "-c", str(slots), "-Q", self.queue(queue), *options, *FLAGS]
            self.workers[name] = Worker(self.project, self.node(name), arguments)

    def node(self, name: str) -> str:
        return f"{name}@{self.project.prefix}"

    def queue(self, name: str) -> str:
        return f"{self.project.prefix}_{name}"

    def send(self, task: str, *args: Any, to: str, **options: Any) -> str:
        """Send a task of the project, or of this scene; return its id."""
        with self.project.app() as app, app.connection_for_write() as connection:
            name = task if "." in task else f"tests.support.project.{task}"
            sent = app.send_task(name, args=args, queue=self.queue(to), connection=connection, **options)
        return str(sent.id)

    def hang(self, to: str) -> str:
        """Send a task that hangs."""
        return self.send("nap", FOREVER, to=to)

    def begin(self) -> None:
        """Send the tasks. Those that wait for another to start are sent when it runs."""
        self.failed = self.send(f"{TASK}.reserve", 41, to="b")
        self.send(f"{TASK}.reserve", 41, to="b")
        self.succeeded = self.send(f"{TASK}.add", 40, 2, to="b")
        self.parent = self.send(f"{TASK}.begin", self.queue("b"), to="b")
        self.unknown = self.send("shop.moved", to="b")
        self.blocking = self.hang("solo")
        self.scheduled = self.send("nap", 1.0, to="a", countdown=FOREVER)
        self.hung, self.also_hung = self.hang("a"), self.hang("a")
        eventually(lambda: self._assert_active("busy", {self.hung, self.also_hung}), 30)
        self.reserved = self.hang("a")
        eventually(lambda: self._assert_reserved("busy", {self.reserved}), 30)
        for _ in range(4):  # one more is reserved, three wait on the broker
            self.hang("a")

    def _assert_active(self, name: str, ids: set[str]) -> None:
        assert ids <= {task["id"] for task in self.project.inspect("active", self.node(name))}

    def _assert_reserved(self, name: str, ids: set[str]) -> None:
        assert ids <= {task["id"] for task in self.project.inspect("reserved", self.node(name))}


@contextlib.contextmanager
def open_scene(broker: PrivateBroker) -> Iterator[Scene]:
    """Make a scene without workers and tasks; see start_workers() and begin()."""
    project = Project(broker.url, **SETTINGS)
    project.extra_environment["GOSSIP_TEST_IMPORT"] = TASK
    scene = Scene(project, broker)
    try:
        yield scene
    finally:
        for worker in scene.workers.values():
            worker.close()
