"""Broker connections that a forked child has inherited: the child closes its copies of the sockets and nothing else.

Called in forked children by ManagedConnection. The parent uses the same connections: an AMQP Connection.Close, a TLS
close_notify, a shutdown of the socket, or a change of the shared epoll instance would end them in the parent.
"""

from typing import Any

from celery_gossip.transport._compat import close_sockets

__all__ = ["close_inherited_sockets"]

#: References that keep the garbage collector from closing the connections; a few for each generation of forks.
_kept: list[Any] = []


def close_inherited_sockets(raw: Any, *others: Any) -> None:
    """Close this process's copies of the sockets of `raw`, a py-amqp connection or a virtual transport of Kombu.

    `others` are objects that would send to the broker when they are garbage collected. Never raises.
    """
    _kept.extend((raw, *others))
    close_sockets(raw)
