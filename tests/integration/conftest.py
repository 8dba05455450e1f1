"""A corner of its own on each broker, for each test or for a whole module."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kombu.transport import filesystem
from kombu.utils.json import dumps

from celery_gossip import signals
from celery_gossip.cluster import isolation as hearing
from celery_gossip.listener import queue_length_thread, receive_loop
from celery_gossip.transport import subscription as exchange
from tests.integration.corner import Corner, corner_of

KINDS = [
    "memory",
    "filesystem",
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
]


@pytest.fixture(scope="package", autouse=True)
def quick_looks() -> Iterator[None]:
    """Most of the time of these tests would be looks at a quiet memory, waits for queue lengths, and closing."""
    options_of = exchange._polling_options

    def polling_options(broker: Any) -> dict[str, Any]:
        # Not the filesystem: the more often it is looked at, the likelier a file that is half written.
        is_memory = broker.options.broker_url is None and broker.app.conf.broker_url == "memory://"
        return {"polling_interval": 0.01} if is_memory else options_of(broker)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "_polling_options", polling_options)
        patch.setattr(receive_loop, "RECEIVE_TIMEOUT", 0.05)
        patch.setattr(queue_length_thread, "_POLL_INTERVAL", 0.05)
        yield


@pytest.fixture(scope="package", autouse=True)
def whole_files() -> Iterator[None]:
    """Kombu's filesystem transport shows a file before it has written the message: a look in between loses it."""

    def put(channel: Any, queue: str, payload: Any, **kwargs: Any) -> None:
        name = f"{round(time.monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        hidden = Path(channel.data_folder_out, f".{uuid4()}")
        hidden.write_text(dumps(payload))
        hidden.rename(hidden.with_name(name))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filesystem.Channel, "_put", put)
        yield


@pytest.fixture
def quick_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Echoes and what is made of them, four times as fast."""
    monkeypatch.setattr(hearing, "ECHO_INTERVAL", 0.25)
    monkeypatch.setattr(hearing, "_ISOLATED_AFTER", 1.0)
    monkeypatch.setattr(hearing, "_HALF_OPEN_AFTER", 1.25)


@pytest.fixture(params=KINDS)
def corner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Corner]:
    """A corner on every broker in turn; nothing of it stays there."""
    corner = corner_of(request.param, tmp_path)
    yield corner
    corner.clean()


@pytest.fixture
def redis_corner(tmp_path: Path) -> Iterator[Corner]:
    corner = corner_of("redis", tmp_path)
    yield corner
    corner.clean()


@pytest.fixture
def amqp_corner(tmp_path: Path) -> Iterator[Corner]:
    corner = corner_of("rabbitmq", tmp_path)
    yield corner
    corner.clean()


@pytest.fixture
def telemetry() -> Iterator[list[tuple[str, Any, dict[str, Any]]]]:
    """Every signal sent, in order, as (name, sender, data)."""
    heard: list[tuple[str, Any, dict[str, Any]]] = []

    def taker_of(name: str) -> Any:
        return lambda sender, **data: heard.append((name, sender, data))

    with ExitStack() as stack:
        for name in signals.__all__:
            if name != "emit":
                stack.enter_context(getattr(signals, name).connected_to(taker_of(name)))
        yield heard
