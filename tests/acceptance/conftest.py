"""Fixtures of the acceptance suite."""

from collections.abc import Iterator

import pytest

from tests.support import brokers
from tests.support.workers import Project


@pytest.fixture
def rabbitmq_project() -> Iterator[Project]:
    """A project on RabbitMQ alone."""
    project = Project(brokers.require(brokers.RABBITMQ_URL))
    yield project
    project.clean()
