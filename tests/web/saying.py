"""Gossip on a project's exchange, as anybody may say it who may publish there."""

from collections.abc import Iterator
from contextlib import contextmanager

from celery_gossip import GossipOptions
from celery_gossip.exchange import Publisher, open_broker
from tests.support.workers import Project

__all__ = ["saying"]


@contextmanager
def saying(project: Project) -> Iterator[Publisher]:
    with project.app() as app:
        publisher = Publisher(open_broker(app, GossipOptions(exchange=project.conf["gossip_exchange"])))
        try:
            yield publisher
        finally:
            publisher.close()
