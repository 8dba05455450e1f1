"""Purge: deletes the messages that wait in a queue, on a connection of its own. Blocks; not for an event loop."""

from celery_gossip.transport._compat import bounded_reads
from celery_gossip.transport.broker import Broker

__all__ = ["PURGE_TIMEOUT", "purge_queue"]

PURGE_TIMEOUT = 10.0  #: seconds for the broker to delete the messages


def purge_queue(broker: Broker, queue: str) -> int:
    """Delete the messages that wait in the queue, and return their number. Those that workers hold are not deleted.

    Raises any exception of the transport: on AMQP for a queue that does not exist, TimeoutError if the broker hangs.
    """
    is_redis = broker.driver_type == "redis"
    connection = broker.managed_connection(**({"socket_timeout": PURGE_TIMEOUT} if is_redis else {}))
    try:
        channel = connection.open()
        if broker.driver_type != "amqp":
            return int(channel.queue_purge(queue) or 0)
        with bounded_reads(connection.raw, PURGE_TIMEOUT):
            return int(channel.queue_purge(queue) or 0)
    finally:
        connection.close()
