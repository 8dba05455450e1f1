"""Where gossip goes: connections to its broker, tuned so that every call is bounded in time. Names follow Kombu.

Called by exchange.py on the thread that owns the connection, and at start to check the options.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from amqp.exceptions import FrameSyntaxError
from kombu import Connection, Exchange

from celery_gossip.errors import InvalidOption, UnsupportedTransport, UnusableURL
from celery_gossip.options import GossipOptions, without_password
from celery_gossip.signature import Keyring, open_keyring

__all__ = ["TIMEOUT", "Broker", "Link", "is_forbidden", "is_refusal", "open_broker", "open_task_broker"]

TIMEOUT = 1.0  #: seconds for each connect and each answer of the broker
_PERCENT = ": percent-encode what is special in its user, password and path ('/' is %2F, '@' %40)"
_MOST_DATA_ERRORS = 10
_FORBIDDEN = 403  #: reply code of AMQP
_REFUSALS = (_FORBIDDEN, 404, 405, 406, 530)  #: likewise
_REDIS_REFUSAL = "NoPermissionError"  #: by name: redis-py need not be installed
_REDIS_LOGIN = "AuthenticationError"  #: likewise; redis-py calls it a connection error
_SENTINEL = "sentinel://"

#: Only keys that the transport knows: pyamqp hands unknown ones to the protocol client.
_TUNED: dict[str, dict[str, Any]] = {
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
    """Where gossip goes: builds connections that are never pooled and never retry by themselves."""

    app: Any
    options: GossipOptions
    keyring: Keyring = field(default_factory=Keyring, repr=False)  #: what signs there, and knows a signature

    @property
    def uri(self) -> str:
        """The broker's address without its password."""
        with self._connection({}) as connection:
            uri = str(connection.as_uri()).replace("//:**@", "//")  # Kombu masks a password that is not there, too
            is_doubtful = connection.userid and not connection.password  # a password in the place of the user?
        return without_password(uri) if is_doubtful else uri

    @cached_property
    def driver_type(self) -> str:
        """The transport's kind, in Kombu's word: redis, amqp, memory, …"""
        with self._connection({}) as connection:
            return _driver_type(connection)

    @property
    def serves_tasks(self) -> bool:
        """Whether it is the broker that the worker takes its tasks from."""
        conf = self.app.conf
        return self.options.broker_url is None and bool(conf.broker_read_url == conf.broker_write_url)

    def connection(self, **transport_options: Any) -> Any:
        """A new kombu.Connection, not connected yet. Blocks for nothing but imports."""
        return self._connection({**_TUNED.get(self.driver_type, {}), **transport_options})

    def require_fanout(self) -> None:
        """Raise UnsupportedTransport where messages to a fanout exchange would silently go nowhere."""
        with self._connection({}) as connection:
            if not connection.supports_exchange_type("fanout"):
                raise UnsupportedTransport(
                    f"the broker transport {connection.transport.driver_name!r} cannot fan out: queue gossip is off; "
                    "set gossip_broker_url to a Redis or RabbitMQ that can"
                )

    def exchange(self) -> Exchange:
        """The fanout exchange: transient, as all gossip is, and kept while nobody listens."""
        return Exchange(self.options.exchange, type="fanout", durable=False, delivery_mode="transient")

    def _connection(self, transport_options: dict[str, Any]) -> Any:
        """Raises UnusableURL for a URL that cannot be read, or that can be read in two ways."""
        parameters = {"heartbeat": 0, "connect_timeout": TIMEOUT, "transport_options": transport_options}
        url = self.options.broker_url
        _require_plain(self.app.conf.broker_write_url if url is None else url)
        try:
            if url is None:
                return self.app.connection_for_write(**parameters)
            # A broker of its own: the app's credentials, TLS and transport options belong to another one.
            return Connection(url, **parameters)
        except ImportError:  # names what is not installed, and nothing of the URL
            raise
        except Exception as exc:
            kind = type(exc).__name__
        # Outside of the handler, so that nothing leads back to an error which may quote a part of the password.
        raise UnusableURL(f"the broker's URL cannot be read ({kind}){_PERCENT}")


def open_broker(app: Any, options: GossipOptions) -> Broker:
    """The broker of these options, checked as far as it can be without connecting.

    Raises InvalidOption for a `gossip_broker_url` that no transport takes and for a `gossip_secret_file` without keys,
    UnsupportedTransport for a broker that cannot fan out, UnusableURL for a URL of the app's that cannot be read.
    """
    broker = Broker(app, options, open_keyring(options))
    if (options.broker_url or "").startswith(_SENTINEL):
        raise InvalidOption(
            "gossip_broker_url: expected the URL of a Redis or RabbitMQ, or None: Sentinels want a master_name, which "
            "a URL cannot tell; the app's own broker may be behind them"
        )
    try:
        broker.require_fanout()
    except UnsupportedTransport:
        raise
    except Exception as exc:
        if options.broker_url is None:
            raise
        url = without_password(options.broker_url)
        raise InvalidOption(f"gossip_broker_url: expected a URL that Kombu can use, got {url!r}") from exc
    return broker


def open_task_broker(app: Any) -> Broker:
    """The app's own broker, where its tasks wait, wherever gossip goes."""
    return Broker(app, GossipOptions())


class Link:
    """A connection with one channel, rebuilt from scratch after any error; failover URLs are tried in turn.

    `raw`, the transport's own connection, is kept here: kombu's property of that name would reconnect in silence.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.driver_type = _driver_type(connection)
        self.raw: Any = None

    @property
    def data_errors(self) -> tuple[type[Exception], ...]:
        """What a broken message raises while it is unpacked; never what a broken connection raises."""
        if self.driver_type == "amqp":
            return (FrameSyntaxError, OverflowError, RecursionError, ValueError, struct.error)
        return (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

    def is_outage(self, exc: Exception) -> bool:
        """Whether this means that the broker is gone, hangs, or cannot be reached; one that says no is there."""
        if is_refusal(exc) or any(kind.__name__ == _REDIS_LOGIN for kind in type(exc).__mro__):
            return False
        # Kombu counts KeyError among the connection errors of Redis.
        return isinstance(exc, self._connection.connection_errors) and not isinstance(exc, LookupError)

    @property
    def most_data_errors(self) -> int:
        """Broken messages in a row after which the connection is out of step: py-amqp is after the first."""
        return 0 if self.driver_type == "amqp" else _MOST_DATA_ERRORS

    def open(self) -> Any:
        """Connect and open a channel; each step takes TIMEOUT at most."""
        self._connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        self.raw = self._connection.connection
        with self.bounded():
            return self._connection.channel()

    def drain(self, timeout: float) -> None:
        """Let one event through; returns when none came in `timeout` seconds."""
        with suppress(TimeoutError):
            self._connection.transport.drain_events(self.raw, timeout=timeout)

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """AMQP answers are awaited without a limit otherwise; Redis has its socket_timeout."""
        # A py-amqp connection that was lost would reconnect when asked for its transport.
        transport = self.raw.transport if self.driver_type == "amqp" and self.raw.connected else None
        with transport.having_timeout(TIMEOUT) if transport else nullcontext():
            yield

    def close(self) -> None:
        """Say goodbye, bounded in time. Never raises."""
        try:
            if self.raw is not None:
                with self.bounded():
                    self._connection.close()
        except Exception:  # the peer is gone or hangs: nothing to say goodbye to
            self.drop()
        self._forget()

    def reset(self) -> None:
        """Forget the connection without a word. Never raises."""
        try:
            # On AMQP close() would wait for an answer; elsewhere collect() would set a timeout for the whole process.
            (self._connection.collect if self.driver_type == "amqp" else self._connection.close)()
        except Exception:  # Redis denies what a channel does to go, and Kombu would go on with half of a connection
            with suppress(Exception):
                self._connection = self._connection.clone()
        self._forget()

    def drop(self) -> None:
        """Forget the connection without a word, and turn to the next failover URL. Never raises."""
        self.reset()
        with suppress(Exception):
            self._connection.maybe_switch_next()

    def _forget(self) -> None:
        """Kombu leaves the descriptor of its Redis poller to the garbage collector."""
        poller = getattr(getattr(self.raw, "cycle", None), "poller", None)
        self.raw = None
        if poller is not None:
            with suppress(Exception):
                poller.close()


def _require_plain(urls: Any) -> None:
    """Raise UnusableURL where what is meant as a password could be read as a host, a port or a path, and so be told."""
    for url in ";".join(urls if isinstance(urls, (list, tuple)) else [urls or ""]).split(";"):
        _, _, rest = url.partition("://")
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        if url.count("@") != authority.count("@"):
            raise UnusableURL(f"the broker's URL can be read in two ways{_PERCENT}")


def _driver_type(connection: Any) -> str:
    """Asked of the class: a transport of Redis has a descriptor from the beginning."""
    return str(connection.get_transport_cls().driver_type)


def is_refusal(exc: Exception) -> bool:
    """Whether RabbitMQ has said no (rights, a mismatching exchange): to be asked again, but rarely.

    Redis is not meant: to refuse costs it no more than to publish, so it is soon asked again.
    """
    return getattr(exc, "reply_code", None) in _REFUSALS


def is_forbidden(exc: Exception) -> bool:
    """Whether the broker has said that this user has not the right."""
    return getattr(exc, "reply_code", None) == _FORBIDDEN or type(exc).__name__ == _REDIS_REFUSAL
