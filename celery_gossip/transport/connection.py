"""Connections to a broker, each with one channel, on which every call is bounded in time. Names follow Kombu.

A connection and its BrokerClient belong to one thread.
"""

import struct
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from celery_gossip.transport._compat import (
    bounded_reads,
    close_poller,
    collect,
    failover_urls,
    frame_errors,
    is_sentinel,
    require_connected,
)
from celery_gossip.transport.address import address_of
from celery_gossip.transport.broker_errors import is_amqp_refusal, is_login_failure
from celery_gossip.transport.inherited import close_inherited_sockets

__all__ = ["TIMEOUT", "BrokerClient", "ManagedConnection", "driver_type_of"]

TIMEOUT = 1.0  #: seconds for each connect and each answer of the broker
_MAX_DATA_ERRORS = 10


class ManagedConnection:
    """A connection with one channel, rebuilt from scratch after any error; failover URLs are tried in turn.

    `raw` is the transport's own connection. Kombu's property `Connection.connection` is read only in open(): when the
    connection is lost, it reconnects by itself and sleeps between its attempts.
    """

    def __init__(self, connection: Any, uri: str = "") -> None:
        """`uri` is Broker.uri."""
        self._kombu = connection
        self.all_uris = uri  #: addresses of all failover URLs, separated by `;`, without their passwords
        self.uri = uri  #: address of the connected broker; `all_uris` while there is none
        self.driver_type = driver_type_of(connection)
        self.raw: Any = None

    @property
    def connection_errors(self) -> tuple[type[Exception], ...]:
        """Exceptions raised when the connection is lost or cannot be made."""
        return tuple(self._kombu.connection_errors)

    @property
    def data_errors(self) -> tuple[type[Exception], ...]:
        """Exceptions raised when a broken message is decoded; none of them is raised by a broken connection."""
        if self.driver_type == "amqp":
            return (*frame_errors(), OverflowError, RecursionError, ValueError, struct.error)
        return (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

    @property
    def max_data_errors(self) -> int:
        """Number of broken messages in a row after which the stream is out of sync; py-amqp's is after the first."""
        return 0 if self.driver_type == "amqp" else _MAX_DATA_ERRORS

    def is_connection_error(self, exc: BaseException) -> bool:
        """Return True if the connection is lost or cannot be made."""
        # Kombu lists KeyError among the connection errors of Redis.
        return isinstance(exc, self.connection_errors) and not isinstance(exc, LookupError)

    def is_outage(self, exc: Exception) -> bool:
        """Return True if the broker is down, hangs or cannot be reached; False if it answered with a refusal."""
        return not (is_amqp_refusal(exc) or is_login_failure(exc)) and self.is_connection_error(exc)

    def open(self) -> Any:
        """Connect and return a new channel; each step takes TIMEOUT at most."""
        self._kombu.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        self.raw = self._kombu.connection
        with self.bounded():
            channel = self._kombu.channel()
        # Sentinels are all listed: the connection is to the master that they name, not to one of them.
        if failover_urls(self._kombu) and not is_sentinel(self._kombu):
            self.uri = address_of(self._kombu)
        return channel

    def drain(self, timeout: float) -> None:
        """Process one event, or return after `timeout` seconds. Raises ConnectionError if the connection has ended."""
        with suppress(TimeoutError), self.bounded():  # py-amqp waits for another channel where the broker closes one
            self._kombu.transport.drain_events(self.raw, timeout=timeout)
        if self.driver_type == "amqp":
            require_connected(self.raw)

    def bounded(self) -> AbstractContextManager[Any]:
        """Limit the wait for an answer of an AMQP broker to TIMEOUT; for Redis, socket_timeout does the same."""
        return bounded_reads(self.raw, TIMEOUT) if self.driver_type == "amqp" else nullcontext()

    def close(self) -> None:
        """Close the connection, bounded in time. Never raises."""
        try:
            if self.raw is not None:
                with self.bounded():
                    self._kombu.close()
        except Exception:  # the broker is down or hangs
            self.fail_over()
        self._clear()

    def discard(self) -> None:
        """Close the sockets without notifying the broker; the next open() uses the same URL. Never raises."""
        try:
            # On AMQP close() would wait for an answer; on other transports collect() sets the socket timeout of the
            # whole process.
            if self.driver_type == "amqp":
                collect(self._kombu, self.raw)
            else:
                self._kombu.close()
        except Exception:  # Redis may deny the commands by which a channel closes; Kombu would keep a part of it
            with suppress(Exception):
                self._kombu = self._kombu.clone()
        self._clear()

    def fail_over(self) -> None:
        """Close the sockets without notifying the broker; the next open() uses the next failover URL. Never raises."""
        self.discard()
        with suppress(Exception):
            self._kombu.maybe_switch_next()

    def close_in_child(self, *others: Any) -> None:
        """Close a forked child's copy of the sockets; the parent's connection continues. Never raises.

        `others` are objects that would send to the broker when they are garbage collected.
        """
        close_inherited_sockets(self.raw, self._kombu, *others)
        self.raw = None
        with suppress(Exception):
            self._kombu = self._kombu.clone()

    def _clear(self) -> None:
        raw, self.raw = self.raw, None
        self.uri = self.all_uris
        close_poller(raw)  # Kombu leaves the descriptor of its Redis poller to the garbage collector


class BrokerClient:
    """Base of the classes that own a ManagedConnection and objects built on it, which are lost with the connection."""

    def __init__(self, connection: ManagedConnection) -> None:
        self._connection = connection

    @property
    def uri(self) -> str:
        """Address of the connected broker without its password; all failover URLs while there is none. Any thread."""
        return self._connection.uri

    @property
    def all_uris(self) -> str:
        """Addresses of all failover URLs, whichever is connected. Any thread."""
        return self._connection.all_uris

    def close(self) -> None:
        """Close the connection, bounded in time. Never raises."""
        self._clear()
        self._connection.close()

    def discard(self) -> None:
        """Close the connection without notifying the broker; the next use connects to the same URL. Never raises."""
        self._clear()
        self._connection.discard()

    def fail_over(self) -> None:
        """Close the connection without notifying the broker; the next use connects to the next URL. Never raises."""
        self._clear()
        self._connection.fail_over()

    def close_in_child(self) -> None:
        """Close a forked child's copy of the connection; the parent's continues. Never raises."""
        self._connection.close_in_child(*self._broker_objects())
        self._clear()

    def is_outage(self, exc: Exception) -> bool:
        """Return True if the broker is down, hangs or cannot be reached; False if it answered with a refusal."""
        return self._connection.is_outage(exc)

    def _broker_objects(self) -> tuple[Any, ...]:
        """Return the objects that would send to the broker when they are garbage collected."""
        return ()

    def _clear(self) -> None:
        """Forget everything that belongs to the present connection. Must not raise."""
        raise NotImplementedError


def driver_type_of(connection: Any) -> str:
    """Return the kind of this kombu.Connection's transport, as Kombu names it."""
    # Read from the class: an instance of the Redis transport opens a descriptor.
    return str(connection.get_transport_cls().driver_type)
