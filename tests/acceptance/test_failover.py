"""A worker whose first broker is down names the one that it is connected to."""

from collections.abc import Iterator

import pytest
from kombu import Connection

from tests.support import brokers, eventually
from tests.support.workers import Project, Worker


@pytest.fixture
def failover_project(broker_url: str) -> Iterator[Project]:
    """A project whose first URL leads nowhere."""
    scheme = broker_url.partition(":")[0]
    project = Project(f"{scheme}://user:s3cret@127.0.0.1:{brokers.free_port()}/0;{broker_url}")
    yield project
    project.broker_url = broker_url
    project.clean()


def test_a_worker_names_the_broker_that_it_is_connected_to(failover_project: Project) -> None:
    url = failover_project.broker_url.partition(";")[2]
    with Connection(url) as connection:
        second = str(connection.as_uri()).replace("//:**@", "//")
    with failover_project.worker("--without-mingle", pool="solo") as worker:
        eventually(lambda: assert_logged(worker, f"celery-gossip: delivering to {second} again"), timeout=10)
        assert_logged(worker, f"celery-gossip: cannot deliver to {second.partition(':')[0]}://user:**@127.0.0.1:")
        assert_logged(worker, f";{second}: ")
        assert "s3cret" not in worker.output


def assert_logged(worker: Worker, text: str) -> None:
    assert text in worker.output, worker.output
