"""Broadcaster: samples every source once per tick for all viewers together, and streams the changes to each of them.

Runs on an event loop. Sampling and building tables run on a thread of their own, one tick at a time; the loop only
passes on encoded bytes.
"""

import asyncio
import contextlib
import hashlib
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from celery_gossip.log import LimitedLogger
from celery_gossip.web.snapshot import Sampler, Snapshot, Source
from celery_gossip.web.subject import build_tables
from celery_gossip.web.topic import Subject, Tables, Topic, parse_topic
from celery_gossip.web.viewer import Viewer, Viewers

__all__ = ["MAX_TOPICS", "MAX_VIEWERS", "Broadcaster", "TooManyViewers"]

MAX_VIEWERS = 200  #: event streams at once; another one displaces a stream of the owner with the most
MAX_TOPICS = 8  #: per event stream
_TICK = 0.5  #: seconds between two samples with viewers, if sampling is fast
_IDLE_TICK = 5.0  #: seconds between two samples without viewers
_MAX_SHARE = 0.1  #: of the time, spent on sampling
_UNWATCHED_TTL = 30.0  #: seconds for which a topic without viewers is kept: a viewer may be about to reconnect
_MAX_AGE = 1.0  #: seconds for which a sample serves single requests
_MAX_FIRST_AGE = 2 * _IDLE_TICK  #: seconds for which a sample serves a new event stream; changes follow at once


_T = TypeVar("_T")


class TooManyViewers(Exception):
    """No place is left for an event stream."""


@dataclass
class _SharedTopic:
    """A topic, None until its tables are built, and its number of viewers."""

    subject: Subject
    topic: Topic | None = None
    viewers: int = 0
    left_at: float = 0.0  #: when the last viewer disconnected


@dataclass
class _Position:
    """The progress of one event stream."""

    viewer: Viewer
    topics: tuple[str, ...]
    mark: str  #: identifies the topics in each event id: a reconnect with other topics needs all of their tables
    tick: int | None  #: the last tick that was sent; None before the first


@dataclass
class Broadcaster:
    """Call start() and stop() on the loop that serves the requests; events() is the stream of one viewer."""

    samplers: Sequence[Sampler]
    clock: Callable[[], float] = time.monotonic
    boot: str = field(default_factory=lambda: secrets.token_hex(4))  #: identifies this start of the server

    def __post_init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        self._sampled_at = float("-inf")
        self._sampling_seconds = 0.0
        self._tick = 0
        self._topics: dict[str, _SharedTopic] = {}
        self._viewers = Viewers()
        self._sampling = asyncio.Lock()
        # A thread of its own, because slow requests may occupy all threads of the loop's default pool.
        self._thread = ThreadPoolExecutor(1, "celery-gossip-board")
        self._tick_changed = asyncio.Condition()
        self._has_viewer = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._log = LimitedLogger()

    @property
    def listeners(self) -> dict[str, Source]:
        """Listeners by source."""
        return {sampler.source: sampler.listener for sampler in self.samplers}

    def start(self) -> None:
        """Start sampling. Call it once."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop sampling and end every event stream with the event "over"."""
        self._is_stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._wake_streams()

    def close(self) -> None:
        """End the thread. Call it after stop(), when no request is running."""
        self._thread.shutdown(cancel_futures=True)

    async def snapshots(self) -> dict[str, Snapshot]:
        """Return `{source: snapshot}`, at most a second old."""
        if self.clock() - self._sampled_at > _MAX_AGE:
            await self._sample()
        return self._snapshots

    async def events(self, names: Sequence[str], last_id: str = "", owner: str = "") -> AsyncGenerator[bytes, None]:
        """Yield server-sent events of these topics until the stream is displaced or the server stops.

        Raises ValueError for an invalid topic, TooManyViewers if no place is left. `owner` is the user or the address:
        the owner with the most streams loses one to the next viewer. Nothing is queued for a viewer that reads slowly:
        it gets the changes that it missed when it reads again.
        """
        subjects = {name: parse_topic(name) for name in names}
        viewer = self._viewers.add(owner, MAX_VIEWERS)
        if viewer is None:
            raise TooManyViewers
        mark = hashlib.sha256("\n".join(sorted(subjects)).encode()).hexdigest()[:12]
        position = _Position(viewer, tuple(subjects), mark, self._parse_last_id(last_id, mark))
        self._has_viewer.set()
        try:
            await self._wake_streams()  # a displaced stream ends now
            with self._subscribed(subjects):
                async with contextlib.aclosing(self._stream(position)) as stream:
                    async for event in stream:
                        viewer.is_writing = True
                        yield event
                        viewer.is_writing = False
        finally:
            self._viewers.remove(viewer)

    async def _stream(self, position: _Position) -> AsyncGenerator[bytes, None]:
        await self._sample(only=position.topics)
        yield b"retry: 2000\n\n"
        while not (self._is_stopped or position.viewer.is_displaced):
            for event in self._pending_events(position):
                yield event
            await self._next_tick(position)
        if self._is_stopped:
            yield b"event: over\ndata: {}\n\n"

    def _parse_last_id(self, last_id: str, mark: str) -> int | None:
        """Return the tick of an event id; None if the id is of another server or of other topics."""
        boot, _, rest = last_id.partition("-")
        tick, _, its_mark = rest.partition("-")
        is_ours = boot == self.boot and its_mark == mark
        return int(tick) if is_ours and tick.isdecimal() and len(tick) < 16 else None

    @contextlib.contextmanager
    def _subscribed(self, subjects: Mapping[str, Subject]) -> Iterator[None]:
        for name, subject in subjects.items():
            self._topics.setdefault(name, _SharedTopic(subject)).viewers += 1
        try:
            yield
        finally:
            for name in subjects:
                self._topics[name].viewers -= 1
                self._topics[name].left_at = self.clock()

    def _pending_events(self, position: _Position) -> Iterator[bytes]:
        """Yield the events up to the latest tick: one with whole tables, or one for each tick that was missed."""
        pending: dict[int, list[bytes]] = {self._tick: []}
        for name in position.topics:
            label = msgspec.json.encode(name) + b":"
            topic = self._topics[name].topic
            if topic is None:  # sampling failed
                continue
            changes = None if position.tick is None else topic.since(position.tick)
            if changes is None:
                changes = [(self._tick, topic.full())]
            for tick, change in changes:
                pending.setdefault(tick, []).append(label + change)
        position.tick = self._tick
        now = _encode_now()
        for tick in sorted(pending):
            head = f"id: {self.boot}-{tick}-{position.mark}\nevent: tables\ndata: ".encode()
            yield b'%s{"now":%s,"topics":{%s}}\n\n' % (head, now, b",".join(pending[tick]))

    async def _next_tick(self, position: _Position) -> None:
        tick, viewer = position.tick or 0, position.viewer
        async with self._tick_changed:
            await self._tick_changed.wait_for(lambda: self._is_stopped or viewer.is_displaced or self._tick > tick)

    async def _wake_streams(self) -> None:
        async with self._tick_changed:
            self._tick_changed.notify_all()

    async def _run(self) -> None:
        while True:
            try:
                await self._sample()
            except Exception as exc:  # log and continue, or one error would freeze the page permanently
                self._log.error("sample", "celery-gossip: the dashboard cannot be updated: %r", exc, exc_info=exc)
            await self._wake_streams()
            await asyncio.sleep(max(_TICK, self._sampling_seconds / _MAX_SHARE))
            if not self._viewers:
                await self._wait_idle()

    async def _wait_idle(self) -> None:
        """Wait until a viewer connects or the next sample without viewers is due."""
        self._has_viewer.clear()
        with contextlib.suppress(asyncio.TimeoutError):  # not the built-in TimeoutError on Python 3.10
            await asyncio.wait_for(self._has_viewer.wait(), _IDLE_TICK)

    async def _sample(self, only: tuple[str, ...] = ()) -> None:
        """Sample all sources and update every watched topic.

        With `only`, update just these topics from the latest sample, unless that is too old.
        """
        async with self._sampling:
            began = self.clock()
            if only and began - self._sampled_at <= _MAX_FIRST_AGE:
                await self._update_topics(self._tick, [name for name in only if not self._is_current(name)])
                return
            self._drop_unwatched_topics(began)
            self._snapshots = await self._on_thread(
                lambda: {sampler.source: sampler.sample() for sampler in self.samplers}
            )
            self._sampled_at = began
            await self._update_topics(self._tick + 1, [name for name, shared in self._topics.items() if shared.viewers])
            self._tick += 1
            self._sampling_seconds = self.clock() - began

    async def _on_thread(self, function: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def _is_current(self, name: str) -> bool:
        """Return whether the tables are of the latest sample; topics without viewers are not updated."""
        topic = self._topics[name].topic
        return topic is not None and topic.tick == self._tick

    async def _update_topics(self, tick: int, names: list[str]) -> None:
        """Build tables on the thread, then publish them on the loop, where the event streams read them."""
        for name, tables, change in await self._on_thread(lambda: list(self._build_tables(names))):
            shared = self._topics.get(name)
            if shared is None:
                continue
            if shared.topic is None:
                shared.topic = Topic(tick, tables)
            else:
                shared.topic.commit(tick, tables, change)

    def _build_tables(self, names: list[str]) -> Iterator[tuple[str, Tables, bytes | None]]:
        listeners = self.listeners
        for name in names:
            shared = self._topics[name]
            tables = build_tables(shared.subject, self._snapshots, listeners)
            yield name, tables, None if shared.topic is None else shared.topic.diff_to(tables)

    def _drop_unwatched_topics(self, now: float) -> None:
        for name, shared in list(self._topics.items()):
            if not shared.viewers and now - shared.left_at > _UNWATCHED_TTL:
                del self._topics[name]


def _encode_now() -> bytes:
    return msgspec.json.encode(round(time.time(), 1))
