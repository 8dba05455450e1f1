"""Fixtures of the acceptance suite."""

from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy

import pytest

from tests.support import brokers
from tests.support.workers import QUIET, Project, Worker


@pytest.fixture
def rabbitmq_project() -> Iterator[Project]:
    """A project on RabbitMQ alone."""
    project = Project(brokers.require(brokers.RABBITMQ_URL))
    yield project
    project.clean()


class SharedWorkers:
    """A worker of threads on each broker, started when the first test needs it, that runs until the session ends."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, Worker] = {}  # by the URL of the broker

    def on(self, url: str) -> Worker:
        """Return the worker on this broker."""
        if url not in self._running:
            project = Project(url)
            self._stack.callback(project.clean)
            self._running[url] = self._stack.enter_context(project.worker(*QUIET, pool="threads"))
        return self._running[url]


@pytest.fixture(scope="session")
def shared_workers() -> Iterator[SharedWorkers]:
    with ExitStack() as stack:
        yield SharedWorkers(stack)


@pytest.fixture
def shared_worker(shared_workers: SharedWorkers, broker_url: str) -> Worker:
    """The shared worker of each broker, for tests that neither stop it nor leave tasks to it."""
    return shared_workers.on(broker_url)


@pytest.fixture
def shared_project(shared_workers: SharedWorkers) -> Project:
    """The project of the shared worker on Redis, for commands; what a test changes in it is not seen by others."""
    return deepcopy(shared_workers.on(brokers.require(brokers.REDIS_URL)).project)
