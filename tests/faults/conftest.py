"""Fixtures of the fault suite."""

import gc
from collections.abc import Iterator

import pytest

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers


@pytest.fixture(scope="session")
def figures() -> Iterator[Figures]:
    """Where every test of this suite puts what it has measured."""
    figures = Figures(is_kept=SCALE.is_full)
    yield figures
    figures.save()


@pytest.fixture(scope="session")
def private_rabbitmq() -> Iterator[brokers.PrivateBroker]:
    """A RabbitMQ node shared by the tests that leave it as they found it: it takes ten seconds to start."""
    with brokers.running(brokers.private("rabbitmq")) as broker:
        yield broker


@pytest.fixture
def collected() -> Iterator[None]:
    """What a test leaves to the garbage collector is collected before the next begins."""
    yield
    gc.collect()
