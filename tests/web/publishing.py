"""Messages on the exchange of a project, as any client could publish them."""

from collections.abc import Iterator
from contextlib import contextmanager

from celery_gossip import GossipOptions
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.publisher import Publisher
from tests.support.workers import Project

__all__ = ["gossip_publisher"]


@contextmanager
def gossip_publisher(project: Project) -> Iterator[Publisher]:
    with project.app() as app:
        publisher = Publisher(open_broker(app, GossipOptions(exchange=project.conf["gossip_exchange"])))
        try:
            yield publisher
        finally:
            publisher.close()
