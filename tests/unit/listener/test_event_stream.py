"""A stream gives a task each event once and in order, bounded, and ends when it is told to."""

import asyncio
import gc
import threading
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any

import pytest

from celery_gossip.errors import NotRunning
from celery_gossip.listener.event_stream import EventStream

Stream = EventStream[Any]


def a_stream(max_buffered: int = 10) -> Stream:
    return EventStream(frozenset({"any"}), max_buffered, lambda count: f"{count} dropped")


def put(stream: Stream, *events: Any) -> None:
    """From another thread, as a listener does."""
    thread = threading.Thread(target=lambda: [stream.put("any", event) for event in events])
    thread.start()
    thread.join()


async def within(seconds: float, awaited: Coroutine[Any, Any, Any]) -> Any:
    return await asyncio.wait_for(awaited, seconds)


async def collect(stream: Stream) -> list[Any]:
    return [event async for event in stream]


def test_events_come_in_order_and_the_end_comes_after_them() -> None:
    async def use() -> list[Any]:
        stream = a_stream()
        put(stream, 1, 2, 3)
        stream.end()
        return await within(5, collect(stream))

    assert asyncio.run(use()) == [1, 2, 3]


def test_a_task_that_waits_is_woken_by_an_event_and_by_the_end() -> None:
    async def use() -> list[Any]:
        stream, got = a_stream(), []
        task = asyncio.create_task(collect(stream))
        for event in (1, 2):
            await asyncio.sleep(0)
            put(stream, event)
        threading.Timer(0.05, stream.end).start()
        got = await within(5, asyncio.wait_for(task, 5))
        return list(got)

    assert asyncio.run(use()) == [1, 2]


def test_of_events_that_are_not_taken_the_oldest_are_dropped_and_counted() -> None:
    async def use() -> list[Any]:
        stream = a_stream(max_buffered=3)
        put(stream, *range(10))
        first = [await within(5, stream.__anext__()) for _ in range(2)]
        put(stream, 10, 11, 12)
        stream.end()
        return [*first, *await within(5, collect(stream))]

    assert asyncio.run(use()) == ["7 dropped", 7, "2 dropped", 10, 11, 12]


def test_events_of_other_names_are_left_out() -> None:
    stream = a_stream()
    stream.put("other", 1)
    assert not stream._buffer


def test_the_end_may_be_an_error_which_comes_after_the_events() -> None:
    async def use() -> list[Any]:
        stream, got = a_stream(), []
        put(stream, 1)
        stream.end(NotRunning("the thread has ended"))
        with pytest.raises(NotRunning, match="the thread has ended"):
            async for event in stream:
                got.append(event)
        return got

    assert asyncio.run(use()) == [1]


def test_a_closed_stream_gives_nothing_more() -> None:
    async def use() -> list[Any]:
        stream = a_stream()
        async with aclosing(stream):
            put(stream, 1, 2)
        put(stream, 3)
        assert stream.is_ended
        return await within(5, collect(stream))

    assert asyncio.run(use()) == []


def test_a_task_that_is_cancelled_loses_no_event() -> None:
    async def use() -> list[Any]:
        stream = a_stream()
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await within(0.01, stream.__anext__())
        put(stream, 1)
        stream.end()
        return await within(5, collect(stream))

    assert asyncio.run(use()) == [1]


def test_two_tasks_need_two_streams() -> None:
    async def use() -> None:
        stream = a_stream()
        task = asyncio.create_task(collect(stream))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="open one stream for each task"):
            await stream.__anext__()
        stream.end()
        await task

    asyncio.run(use())


def test_an_event_loop_that_is_closed_does_not_hurt_the_listener() -> None:
    stream = a_stream()

    async def wait() -> None:
        task = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(wait())
    loop = asyncio.new_event_loop()
    stream._waiter = (loop, loop.create_future())
    loop.close()
    put(stream, 1)
    assert list(stream._buffer) == [1]


def test_nothing_is_left_of_a_stream_whose_task_was_given_up() -> None:
    async def use() -> Stream:
        stream = a_stream()
        with pytest.raises(asyncio.TimeoutError):
            await within(0.01, stream.__anext__())
        return stream

    stream = asyncio.run(use())
    assert stream._waiter is None
    gc.collect()
