"""A real worker loads only the part of the package that it needs: nothing that receives gossip."""

import pytest

from tests.support import eventually
from tests.support.workers import Project

#: Packages and modules of the listening side. Their bugs and their memory must not reach a worker.
LISTENING_SIDE = (
    "celery_gossip.cluster",
    "celery_gossip.console",
    "celery_gossip.diagnosis",
    "celery_gossip.exporter",
    "celery_gossip.listener",
    "celery_gossip.transport.envelope",
    "celery_gossip.transport.queue_length",
    "celery_gossip.transport.stream_reader",
    "celery_gossip.transport.subscription",
    "celery_gossip.tui",
    "celery_gossip.web",
)


def assert_loads_no_listening_side(project: Project, pool: str) -> None:
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.loaded"}
    with project.worker("--without-mingle", pool=pool) as worker:
        project.send("nothing")

        def has_reported() -> None:
            answer = project.inspect("gossip", worker.node)
            assert answer["seq"] > 2 and answer["processed"] == 1

        eventually(has_reported, timeout=10)
        loaded = project.inspect("loaded_modules", worker.node)
    assert "celery_gossip.transport.publisher" in loaded, "the command sees the modules of the worker"
    assert [name for name in loaded if name.startswith(LISTENING_SIDE)] == []


@pytest.mark.redis
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_on_redis_loads_nothing_that_receives_gossip(redis_project: Project, pool: str) -> None:
    assert_loads_no_listening_side(redis_project, pool)


@pytest.mark.rabbitmq
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_on_rabbitmq_loads_nothing_that_receives_gossip(rabbitmq_project: Project, pool: str) -> None:
    assert_loads_no_listening_side(rabbitmq_project, pool)
