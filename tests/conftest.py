"""Fixtures of every suite: a project of its own on each broker."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import brokers, groups
from tests.support.workers import Project

BROKERS = {
    "redis": pytest.param("redis", marks=pytest.mark.redis),
    "rabbitmq": pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
}


HERE = Path(__file__).parent
#: Folders and files whose tests have a marker of the same meaning, so that tiers can be chosen with `-m`.
MARKED = {
    "acceptance": "acceptance",
    "faults": "faults",
    "fuzz": "fuzz",
    "workload": "workload",
    "web/beside": "comparison",
    "web/login/test_browser_login.py": "browser",
    "web/test_accessibility.py": "browser",
    "web/test_browser.py": "browser",
    "web/test_browser_find.py": "browser",
    "web/test_browser_controls.py": "browser",
    "web/test_charts.py": "browser",
    "web/test_page.py": "browser",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the folder or the file it is in."""
    for item in items:
        path = item.path.relative_to(HERE)
        for place in {path.parts[0], path.parent.as_posix(), path.as_posix()}:
            if place in MARKED:
                item.add_marker(MARKED[place])
        groups.check_group(item)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> groups.GroupScheduling | None:
    """Distribute groups of tests where that is asked for."""
    return groups.GroupScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


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


@pytest.fixture(scope="session")
def private_rabbitmq() -> Iterator[Any]:
    """A RabbitMQ node shared by the tests that leave it as they found it: it takes ten seconds to start.

    See tests.support.groups for the tests that use it.
    """
    with brokers.running(brokers.private("rabbitmq")) as broker:
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
