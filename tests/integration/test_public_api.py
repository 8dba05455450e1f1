"""What a program does with a listener: wait, callbacks, event streams, and a snapshot in one call."""

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from celery import Celery

import celery_gossip
from celery_gossip import (
    BrokerUnreachable,
    GossipOptions,
    InvalidOption,
    Listener,
    NotRunning,
    UnknownEvent,
    UnsupportedTransport,
    View,
    WaitTimeout,
    snapshot,
)
from celery_gossip.listener.periodic_checks import PeriodicChecks
from tests.integration.corner import Corner, assert_connected
from tests.support import brokers, eventually
from tests.unit.build import a_check

FRESH_QUEUES = (a_check("mail", active_count=1), a_check("reports"))


def later(seconds: float, function: Callable[..., Any], **arguments: Any) -> None:
    timer = threading.Timer(seconds, partial(function, **arguments))
    timer.daemon = True
    timer.start()


# wait()


def test_waiting_returns_the_view_of_what_was_waited_for(redis_corner: Corner) -> None:
    with redis_corner.listener() as listener:
        later(0.2, redis_corner.say, checks=FRESH_QUEUES)
        view = listener.wait(queues=["mail"], hostnames=["celery@web1"], timeout=10)
    assert isinstance(view, View)
    assert [worker.gossip.hostname for worker in view.workers] == ["celery@web1"]
    assert [queue.queue for queue in view.queues] == ["mail", "reports"]


def test_a_queue_that_a_known_worker_begins_to_consume_ends_the_waiting(redis_corner: Corner) -> None:
    """Nothing enters another state then: the report alone has to wake who waits."""
    with redis_corner.listener() as listener:
        redis_corner.say(checks=(a_check("mail"),))
        listener.wait(timeout=5)
        later(0.2, redis_corner.say, checks=(a_check("mail"), a_check("late")))
        assert "late" in [queue.queue for queue in listener.wait(queues=["late"], timeout=10).queues]


def test_waiting_in_vain_names_what_is_missing(corner: Corner) -> None:
    with corner.listener() as listener:
        corner.say(checks=(a_check("mail"),))
        listener.wait(timeout=5)
        with pytest.raises(WaitTimeout) as vain:
            listener.wait(1, 0.1, queues=["mail", "other"], hostnames=["celery@nowhere"])
    assert str(vain.value).startswith(
        "no report of 'celery@nowhere'; no worker reported to consume 'other' within 0.1 s; listening on "
    )
    assert isinstance(vain.value, TimeoutError) and isinstance(vain.value, celery_gossip.GossipError)


def test_a_listener_that_is_closed_ends_the_waiting_at_once(redis_corner: Corner) -> None:
    with redis_corner.listener() as listener:
        later(0.2, listener.close)
        with pytest.raises(NotRunning, match="is closed"):
            listener.wait(workers=5, timeout=60)


def test_conditions_that_cannot_be_are_refused_before_anything_is_waited_for(redis_corner: Corner) -> None:
    listener = Listener(redis_corner.app, redis_corner.options)
    with pytest.raises(InvalidOption, match="queues: expected a list of names, got 'mail'"):
        listener.wait(queues="mail")


# on()


def test_a_callback_is_called_for_its_own_listener_alone_also_after_a_new_start(redis_corner: Corner) -> None:
    got: list[str] = []
    mine = Listener(redis_corner.app, redis_corner.options)
    handle = mine.on("online", lambda worker: got.append(worker.gossip.hostname))
    with redis_corner.listener() as other:
        redis_corner.say(hostname="celery@other")
        other.wait(timeout=5)
    for hostname in ("celery@first", "celery@second"):
        with mine:
            assert_connected(mine)
            redis_corner.say(hostname=hostname)
            mine.wait(timeout=5)
    assert got == ["celery@first", "celery@second"]
    handle.disconnect()
    with mine:
        assert_connected(mine)
        redis_corner.say(hostname="celery@third")
        mine.wait(timeout=5)
    assert got == ["celery@first", "celery@second"]


def test_a_callback_that_raises_does_not_end_the_listener(redis_corner: Corner) -> None:
    with redis_corner.listener() as listener:
        listener.on("gossip_received", lambda gossip: 1 / 0)
        for n in range(2):
            redis_corner.say(hostname=f"celery@w{n}")
        assert len(listener.wait(workers=2, timeout=5).workers) == 2


def test_an_unknown_event_is_refused(redis_corner: Corner) -> None:
    listener = Listener(redis_corner.app, redis_corner.options)
    with pytest.raises(UnknownEvent, match="did you mean 'worker_lost'"):
        listener.on("worker_lots", print)  # type: ignore[call-overload]


# asyncio


def test_events_are_iterated_over_until_the_listener_is_closed(corner: Corner) -> None:
    async def use() -> list[Any]:
        got = []
        async with Listener(corner.app, corner.options) as listener:
            events = listener.events("online", "draining", "gossip_received")
            await asyncio.to_thread(assert_connected, listener)
            await asyncio.to_thread(corner.say)
            async for event in events:
                got.append((event.name, asyncio.get_running_loop().is_running()))
                if event.name == "worker_online":
                    await asyncio.to_thread(corner.say, state="draining")
                if event.name == "worker_draining":
                    break
            rest = asyncio.ensure_future(anext(events, "the end"))
        assert not listener.is_alive
        assert await asyncio.wait_for(rest, 5) == "the end"
        return got

    assert asyncio.run(use()) == [
        ("gossip_received", True),
        ("worker_online", True),
        ("gossip_received", True),
        ("worker_draining", True),
    ]


def test_a_task_that_is_too_slow_is_told_how_many_events_it_missed(redis_corner: Corner) -> None:
    async def use() -> list[Any]:
        async with Listener(redis_corner.app, redis_corner.options) as listener:
            await asyncio.to_thread(assert_connected, listener)
            events = listener.events("online", max_buffered=2)
            for n in range(5):
                await asyncio.to_thread(redis_corner.say, hostname=f"celery@w{n}", boot=f"{n:016x}")
            await asyncio.to_thread(listener.wait, workers=5, timeout=5)
        return [event async for event in events]

    dropped, *rest = asyncio.run(use())
    assert (dropped.name, dropped.count) == ("events_dropped", 3)
    assert [event.worker.gossip.hostname for event in rest] == ["celery@w3", "celery@w4"]


def test_a_thread_that_ends_by_itself_is_an_error_of_the_iteration(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    class GreenletExit(BaseException): ...

    def end(*_: Any, **__: Any) -> None:
        raise GreenletExit("killed")

    async def use() -> None:
        async with Listener(redis_corner.app, redis_corner.options) as listener:
            await asyncio.to_thread(assert_connected, listener)
            events = listener.events()
            monkeypatch.setattr(PeriodicChecks, "run", end)
            with pytest.raises(NotRunning, match="GreenletExit: killed"):
                async for _ in events:
                    pass

    asyncio.run(asyncio.wait_for(use(), 30))


def test_events_of_a_listener_that_does_not_run_cannot_be_had(redis_corner: Corner) -> None:
    listener = Listener(redis_corner.app, redis_corner.options)
    with pytest.raises(NotRunning, match="is not started"):
        listener.events()
    with listener:
        with pytest.raises(InvalidOption, match="max_buffered"):
            listener.events(max_buffered=0)
        with pytest.raises(UnknownEvent):
            listener.events("worker_lots")  # type: ignore[arg-type]


# snapshot()


def test_a_snapshot_has_every_worker_and_the_backlog_of_its_queues(redis_corner: Corner) -> None:
    stop = threading.Event()

    def report() -> None:
        while not stop.wait(0.3):
            redis_corner.say(checks=FRESH_QUEUES)

    reporting = threading.Thread(target=report)
    reporting.start()
    try:
        view = snapshot(redis_corner.app, options=redis_corner.options)
    finally:
        stop.set()
        reporting.join()
    assert [worker.gossip.hostname for worker in view.workers] == ["celery@web1"]
    assert {queue.queue: queue.backlog for queue in view.queues} == {"mail": 0, "reports": 0}
    assert view.isolated_since is None
    assert [one.name for one in threading.enumerate() if one.name.startswith("celery-gossip")] == []


def test_a_snapshot_of_an_exchange_without_workers_is_empty(redis_corner: Corner) -> None:
    view = snapshot(redis_corner.app, options=redis_corner.options)
    assert view.workers == () and view.isolated_since is None


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_snapshot_of_a_broker_that_is_not_there_is_an_error(scheme: str) -> None:
    app = Celery("shop", broker=f"{scheme}://user:s3cret@127.0.0.1:{brokers.free_port()}/0", set_as_current=False)
    began = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=r"cannot reach the broker .*127\.0\.0\.1.*: .*refused") as refused:
        snapshot(app)
    assert time.monotonic() - began < 30
    assert "s3cret" not in str(refused.value) and isinstance(refused.value, ConnectionError)


def test_a_snapshot_of_a_broker_that_hangs_is_an_error(private_redis: Any) -> None:
    corner = Corner("redis", private_redis.url)
    with corner.listener() as listener:
        eventually(lambda: assert_received(listener))
        private_redis.freeze()
        try:
            with pytest.raises(BrokerUnreachable, match="cannot reach the broker redis://"):
                snapshot(corner.app, options=corner.options)
        finally:
            private_redis.thaw()


def assert_received(listener: Listener) -> None:
    assert listener.has_received_messages


def test_a_snapshot_of_a_broker_that_delivers_nothing_is_an_error(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_gossip.transport.stream_reader.PubSubReader.parse", lambda self, data: [])
    monkeypatch.setattr(
        "celery_gossip.transport.stream_reader.PubSubReader.await_subscription", lambda self, timeout: []
    )
    with pytest.raises(BrokerUnreachable, match="delivers no messages"):
        snapshot(redis_corner.app, 1.0, options=redis_corner.options)


def test_a_snapshot_refuses_what_a_listener_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    with pytest.raises(InvalidOption, match="queues: expected a list of names"):
        snapshot(app, queues="mail")
    with pytest.raises(InvalidOption, match="gossip_broker_url"):
        snapshot(app, options=GossipOptions(broker_url="nosuch://host"))
    monkeypatch.setattr("celery_gossip.transport.broker.supports_fanout", lambda connection: False)
    with pytest.raises(UnsupportedTransport):
        snapshot(app)
