"""A Control of a project's workers, with a listener of its own: what a dashboard has, without a dashboard."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from celery_gossip import Listener
from celery_gossip.control.activity import Activity, Outcome
from celery_gossip.control.command import PERMISSIONS, Command
from celery_gossip.control.control import Control, ControlTarget
from celery_gossip.transport.broker import open_task_broker
from celery_gossip.transport.purge import purge_queue
from tests.support.waiting import eventually
from tests.support.workers import Project


class Controlled:
    """A context manager. Waits until so many workers report and answer."""

    def __init__(self, project: Project, workers: int = 1) -> None:
        self._project, self._workers = project, workers
        self._stack = ExitStack()

    def __enter__(self) -> "Controlled":
        app = self._stack.enter_context(self._project.app())
        self.listener = self._stack.enter_context(Listener(app))
        broker = open_task_broker(app)
        target = ControlTarget(
            app=app,
            connect=broker.kombu_connection,
            view=self.listener.view,
            knows_queue=self.listener.knows_queue,
            purge=partial(purge_queue, broker),
        )
        self.control = Control({"0": target}, frozenset(PERMISSIONS))
        self._stack.callback(self.control.close)
        self.listener.wait(workers=self._workers, timeout=30)

        def do_answer() -> None:
            # On Redis, a command that is sent before a new worker has subscribed is lost. A ping can be repeated.
            with broker.kombu_connection() as connection:
                hostnames = [worker.hostname for worker in self.listener.view().workers]
                found = app.control.ping(destination=hostnames, timeout=2.0, connection=connection)
                assert len(found) == self._workers

        eventually(do_answer, 30)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def send(self, command: Command, outcome: Outcome) -> Activity:
        """Send the command, wait for its outcome, check that it is this one, and return the activity."""
        number = self.control.send(command, "ann").activity

        def is_settled() -> Activity:
            (activity,) = [one for one in self.control.log.latest() if one.id == number]
            assert activity.outcome != "waiting", activity
            return activity

        activity = eventually(is_settled, 40)
        assert activity.outcome == outcome, activity
        return activity

    def await_tasks(self, count: int) -> list[str]:
        """Wait until so many tasks run, and return their ids."""

        def do_run() -> list[str]:
            tasks = [task.id for task in self.listener.view().tasks()]
            assert len(tasks) == count, tasks
            return tasks

        return eventually(do_run, 30)

    def await_that(self, condition: Callable[[], bool]) -> None:
        def holds() -> None:
            assert condition()

        eventually(holds, 30)
