"""ControlTarget of a listener: how commands reach the workers that it watches. Built once by each dashboard."""

from functools import partial
from typing import TYPE_CHECKING

from celery_gossip.control.control import ControlTarget
from celery_gossip.transport.broker import open_task_broker
from celery_gossip.transport.purge import purge_queue

if TYPE_CHECKING:
    from celery_gossip.listener.listener import Listener

__all__ = ["control_target"]


def control_target(listener: "Listener") -> ControlTarget:
    """Return the target; it opens no connection until a command is sent."""
    broker = open_task_broker(listener.app)
    return ControlTarget(
        app=listener.app,
        connect=broker.kombu_connection,
        view=listener.view,
        knows_queue=listener.knows_queue,
        purge=partial(purge_queue, broker),
    )
