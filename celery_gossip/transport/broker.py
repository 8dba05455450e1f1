"""The brokers that gossip is sent to and that tasks are read from: options, keys and new connections.

Opened once at start, which checks the options; connections are made on the thread that uses them. Names follow Kombu.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kombu import Connection, Exchange

from celery_gossip.errors import InvalidOption, UnsupportedTransport, UnusableURL
from celery_gossip.options import GossipOptions, redact_passwords
from celery_gossip.transport._compat import failover_urls, supports_fanout
from celery_gossip.transport.address import (
    ENCODING_HINT,
    address_after_switch,
    address_of,
    require_unambiguous,
    split_urls,
)
from celery_gossip.transport.connection import TIMEOUT, ManagedConnection, driver_type_of
from celery_gossip.transport.keys import open_keyring
from celery_gossip.wire.signing import Keyring

__all__ = ["Broker", "open_broker", "open_task_broker"]

_SENTINEL = "sentinel://"

#: Transport options that bound every call. Only keys that the transport knows: pyamqp passes unknown ones to py-amqp.
_BOUNDED_OPTIONS: dict[str, dict[str, Any]] = {
    "redis": {
        "max_retries": 0,
        "retry_on_timeout": False,
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
    },
    "amqp": {"max_retries": 0, "confirm_publish": False},
}


@dataclass(frozen=True)
class Broker:
    """Builds connections that are never pooled and never retry by themselves."""

    app: Any
    options: GossipOptions
    keyring: Keyring = field(default_factory=Keyring, repr=False)  #: signs messages and verifies signatures
    is_for_reading: bool = False  #: connect to `broker_read_url`, not `broker_write_url`, if the app has two brokers

    @property
    def uri(self) -> str:
        """Address of the broker without its password; all failover URLs, because any of them may be connected."""
        with self._new_connection({}) as connection:
            first = address_of(connection)
            uris = [first, *(address_after_switch(connection, url) for url in failover_urls(connection))]
        return ";".join(dict.fromkeys(uris))

    @cached_property
    def driver_type(self) -> str:
        """Kind of the transport, as Kombu names it: redis, amqp, memory, …"""
        with self._new_connection({}) as connection:
            return driver_type_of(connection)

    @property
    def is_task_broker(self) -> bool:
        """True if the worker reads its tasks from this broker."""
        return split_urls(self._url) == split_urls(self.app.conf.broker_read_url)

    def managed_connection(self, **transport_options: Any) -> ManagedConnection:
        """Return a ManagedConnection, not connected yet, that nothing else uses."""
        connection = self.kombu_connection(**transport_options)
        try:
            uri = self.uri
        except Exception:  # the transport raises the same error when it connects
            uri = ";".join(redact_passwords(url) for url in split_urls(self._url))
        return ManagedConnection(connection, uri)

    def kombu_connection(self, **transport_options: Any) -> Any:
        """Return a new kombu.Connection, not connected yet. Blocks only while the transport is imported."""
        return self._new_connection({**_BOUNDED_OPTIONS.get(self.driver_type, {}), **transport_options})

    def require_fanout(self) -> None:
        """Raise UnsupportedTransport if the transport would drop messages to a fanout exchange without an error."""
        with self._new_connection({}) as connection:
            if not supports_fanout(connection):
                raise UnsupportedTransport(
                    f"the broker transport {connection.transport.driver_name!r} has no fanout exchanges: queue gossip "
                    "is off; set gossip_broker_url to a Redis or RabbitMQ broker"
                )

    def exchange(self) -> Exchange:
        """Return the fanout exchange: transient, because gossip is, and kept while it has no listener."""
        return Exchange(self.options.exchange, type="fanout", durable=False, delivery_mode="transient")

    @property
    def _url(self) -> Any:
        """A URL, or a list of them; None for Kombu's default."""
        if self.options.broker_url is not None:
            return self.options.broker_url
        return self.app.conf.broker_read_url if self.is_for_reading else self.app.conf.broker_write_url

    def _new_connection(self, transport_options: dict[str, Any]) -> Any:
        """Return a new kombu.Connection. Raises UnusableURL for a URL that is invalid or ambiguous."""
        parameters = {"heartbeat": 0, "connect_timeout": TIMEOUT, "transport_options": transport_options}
        require_unambiguous(self._url)
        try:
            if self.options.broker_url is not None:
                # The app's credentials, TLS and transport options belong to another broker.
                return Connection(self.options.broker_url, **parameters)
            connect = self.app.connection_for_read if self.is_for_reading else self.app.connection_for_write
            return connect(**parameters)
        except ImportError:  # names the library that is not installed, and no part of the URL
            raise
        except Exception as exc:
            kind = type(exc).__name__
        # Raised outside the handler: the error of Kombu, which may quote a part of the password, is not chained.
        raise UnusableURL(f"the broker's URL cannot be parsed ({kind}){ENCODING_HINT}")


def open_broker(app: Any, options: GossipOptions) -> Broker:
    """Return the broker of these options, checked as far as possible without connecting.

    Raises InvalidOption for a `gossip_broker_url` that no transport accepts and for a `gossip_secret_file` without
    keys, UnsupportedTransport for a broker without fanout exchanges, UnusableURL if the app's broker URL is invalid.
    """
    broker = Broker(app, options, open_keyring(options))
    if (options.broker_url or "").startswith(_SENTINEL):
        raise InvalidOption(
            "gossip_broker_url: expected the URL of a Redis or RabbitMQ broker, or None: Sentinels need a master_name, "
            "which a URL cannot contain; the app's own broker may be behind Sentinels"
        )
    try:
        broker.require_fanout()
    except UnsupportedTransport:
        raise
    except Exception as exc:
        if options.broker_url is None:
            raise
        url = redact_passwords(options.broker_url)
        raise InvalidOption(f"gossip_broker_url: expected a URL that Kombu can use, got {url!r}") from exc
    return broker


def open_task_broker(app: Any) -> Broker:
    """Return the broker from which the app's workers read their tasks, wherever gossip is sent to."""
    return Broker(app, GossipOptions(), is_for_reading=True)
