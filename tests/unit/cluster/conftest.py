"""Fixtures of the tests of the cluster."""

import pytest

from celery_gossip.cluster.cluster import Cluster
from tests.unit.build import FakeClock

NOW = 1000.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def cluster(clock: FakeClock) -> Cluster:
    return Cluster(clock)
