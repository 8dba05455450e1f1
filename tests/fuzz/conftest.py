"""What the fuzz tests share: the brokers that say anything, closed in the end."""

from collections.abc import Iterator

import pytest

from tests.fuzz import ear


@pytest.fixture(autouse=True, scope="session")
def ears() -> Iterator[None]:
    yield
    for each in (ear.redis_ear, ear.amqp_ear):
        if each.cache_info().currsize:
            each().close()
            each.cache_clear()
