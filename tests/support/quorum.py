"""The project's queues as quorum queues of RabbitMQ, for the project that imports this under GOSSIP_TEST_IMPORT."""

import os

from celery import Celery
from kombu import Queue

from tests.support.workers import Project


def queues(prefix: str) -> list[Queue]:
    return [Queue(f"{prefix}_{name}", queue_arguments={"x-queue-type": "quorum"}) for name in ("a", "b")]


class QuorumProject(Project):
    """A project whose clients declare its queues as its workers do."""

    def __init__(self, broker_url: str) -> None:
        super().__init__(broker_url, worker_prefetch_multiplier=1)
        self.extra_environment = {"GOSSIP_TEST_IMPORT": __name__}

    def app(self) -> Celery:
        app = super().app()
        app.conf.task_queues = queues(self.prefix)
        return app


if os.environ.get("GOSSIP_TEST_IMPORT") == __name__:
    from tests.support.project import PREFIX, app

    app.conf.task_queues = queues(PREFIX)
