"""Fixtures of every suite: a project of its own on each broker."""

import signal
from collections.abc import Iterator

import pytest

from tests.support import brokers
from tests.support.workers import Project

BROKERS = {
    "redis": pytest.param("redis", marks=pytest.mark.redis),
    "rabbitmq": pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
}


def pytest_configure() -> None:
    """Ctrl-C means something to what tests start, also in a shell's background, where it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=list(BROKERS.values()))
def broker_url(request: pytest.FixtureRequest) -> str:
    """The shared Redis, then the shared RabbitMQ."""
    return brokers.require({"redis": brokers.REDIS_URL, "rabbitmq": brokers.RABBITMQ_URL}[request.param])


@pytest.fixture
def private_redis() -> Iterator[brokers.PrivateBroker]:
    """A Redis that the test may kill, freeze and start again."""
    with brokers.running(brokers.private("redis")) as broker:
        yield broker


@pytest.fixture
def project(broker_url: str) -> Iterator[Project]:
    """A project with names of its own on that broker; nothing of it stays there."""
    project = Project(broker_url)
    yield project
    project.clean()


@pytest.fixture
def redis_project() -> Iterator[Project]:
    """The same on Redis alone, for what does not depend on the broker."""
    project = Project(brokers.require(brokers.REDIS_URL))
    yield project
    project.clean()
