"""One test's own corner of a broker: an app, an exchange of its own name, and a look at what was left behind there."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import amqp
import pytest
from celery import Celery
from kombu import Connection, Exchange, Producer
from kombu.transport import filesystem, memory

from celery_gossip import GossipOptions, Listener
from celery_gossip.errors import RejectedGossip
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.publisher import Publisher
from celery_gossip.transport.subscription import Subscription
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.signing import Delivery
from tests.support import brokers, eventually
from tests.unit.build import a_gossip

JSON = "application/json"


class Corner:
    """Publishers, subscriptions and listeners on one exchange of one broker."""

    def __init__(self, kind: str, url: str, **transport_options: Any) -> None:
        self.kind = kind
        self.url = url
        self.exchange = f"gossip_test_{uuid4().hex[:12]}"
        self.app = Celery("shop", broker=url, set_as_current=False)
        self.app.conf.broker_transport_options = transport_options
        self.options = GossipOptions(exchange=self.exchange, interval=0.5)
        self.folder: Path | None = None
        self._seq = 0

    @contextmanager
    def publisher(self, **options: Any) -> Iterator[Publisher]:
        """With these options in place of the corner's."""
        publisher = Publisher(open_broker(self.app, replace(self.options, **options)))
        try:
            yield publisher
        finally:
            publisher.close()

    @contextmanager
    def subscription(self, clock: Callable[[], float] = lambda: 0.0, **options: Any) -> Iterator[Subscription]:
        """A subscription that hears already; it refuses no pause between two reads, unless its clock ticks."""
        subscription = Subscription(open_broker(self.app, replace(self.options, **options)), clock)
        subscription.open()
        try:
            yield subscription
        finally:
            subscription.close()

    @contextmanager
    def listener(self, queues: Iterable[str] = (), **options: Any) -> Iterator[Listener]:
        """A listener that hears already."""
        with Listener(self.app, replace(self.options, **options), queues=tuple(queues)) as listener:
            assert_connected(listener)
            yield listener

    def say(self, **fields: Any) -> None:
        """A valid gossip, numbered anew."""
        self._seq += 1
        with self.publisher() as publisher:
            publisher.publish(encode(a_gossip(**{"seq": self._seq, "interval": 0.5, **fields})))

    def inject(self, body: Any, content_type: str = JSON, **properties: Any) -> None:
        """Anything at all, as a stranger with Kombu would publish it."""
        exchange = Exchange(self.exchange, type="fanout", durable=False, delivery_mode="transient")
        with self.app.connection_for_write() as connection, connection.channel() as channel:
            producer = Producer(channel, exchange=exchange)
            producer.publish(body, content_type=content_type, content_encoding="utf-8", **properties)

    def publish_on_redis(self, payload: bytes) -> None:
        """Raw bytes on the channel itself."""
        with Connection(self.url) as connection:
            connection.default_channel.client.publish(f"/0.{self.exchange}", payload)

    def publish_on_amqp(self, message: amqp.Message) -> None:
        with Connection(self.url) as connection:
            connection.default_channel.basic_publish(message, exchange=self.exchange)

    def leftovers(self) -> list[str]:
        """What this exchange's listeners have left on the broker; the exchange itself may stay."""
        look = {
            "memory": self._left_in_memory,
            "filesystem": self._left_in_folder,
            "redis": self._left_on_redis,
            "rabbitmq": self._left_on_rabbitmq,
        }
        return look[self.kind]()

    def clean(self) -> None:
        """Remove what is ours from a broker that others use too."""
        if self.kind == "rabbitmq":
            with Connection(self.url) as connection:
                Exchange(self.exchange)(connection.default_channel).delete()
        if self.kind == "redis":
            with Connection(self.url) as connection:
                client = connection.default_channel.client
                for key in client.scan_iter(f"*{self.exchange}*"):
                    client.delete(key)

    def _left_in_memory(self) -> list[str]:
        state = memory.Transport.global_state
        bound = [str(bound) for bound in state.bindings if self.exchange in str(bound)]
        return bound + [queue for queue in memory.Channel.queues if self.exchange in queue]

    def _left_in_folder(self) -> list[str]:
        assert self.folder is not None
        if "_delete" not in vars(filesystem.Channel):
            pytest.skip("this release of Kombu never takes a deleted queue out of the folder's tables")
        files = [path.name for path in self.folder.rglob("*.msg")]
        tables = [path for path in self.folder.rglob("*.exchange") if path.read_text().strip() not in ("", "[]")]
        return files + [f"{path.name}: {path.read_text()}" for path in tables]

    def _left_on_redis(self) -> list[str]:
        with Connection(self.url) as connection:
            client = connection.default_channel.client
            keys = [key.decode() for key in client.scan_iter(f"*{self.exchange}*")]
            return keys + [channel.decode() for channel in client.pubsub_channels(f"*{self.exchange}*")]

    def _left_on_rabbitmq(self) -> list[str]:
        with Connection(self.url) as connection:
            try:
                connection.default_channel.exchange_delete(self.exchange, if_unused=True)
            except amqp.PreconditionFailed as exc:
                return [str(exc)]
        return []


def corner_of(kind: str, folder: Path) -> Corner:
    """A corner on the shared broker of this kind; the filesystem's is in `folder`."""
    if kind == "filesystem":
        return filesystem_corner(folder)
    if kind == "memory":  # one broker for all tests of this process, which may have sent tasks that no worker took
        for queue in memory.Channel.queues.values():
            queue.queue.clear()
    urls = {"memory": "memory://", "redis": brokers.REDIS_URL, "rabbitmq": brokers.RABBITMQ_URL}
    return Corner(kind, urls[kind] if kind == "memory" else brokers.require(urls[kind]))


def filesystem_corner(folder: Path) -> Corner:
    for name in ("data", "control"):
        (folder / name).mkdir(exist_ok=True)
    data, control = str(folder / "data"), str(folder / "control")
    corner = Corner("filesystem", "filesystem://", data_folder_in=data, data_folder_out=data, control_folder=control)
    corner.folder = folder
    return corner


def assert_connected(listener: Listener, timeout: float = 10) -> None:
    def is_connected() -> None:
        assert listener.connected_at is not None, f"not connected: {listener.error!r}"

    eventually(is_connected, timeout, every=0.02)


def body_of(received: Delivery | RejectedGossip) -> Any:
    return received.body if isinstance(received, Delivery) else received


def receive(subscription: Subscription, count: int, timeout: float = 5) -> list[Any]:
    """The next `count` bodies and rejections."""
    received: list[Any] = []

    def is_received() -> None:
        received.extend(body_of(one) for one in subscription.receive(0.2))
        assert len(received) >= count, f"{len(received)} of {count} came"

    eventually(is_received, timeout, every=0.0)
    return received
