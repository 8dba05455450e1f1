"""Board: looks at every source once a tick, for all viewers together, and knows what changed since any of them looked.

Lives on an event loop; the looking is done on a thread of the loop's pool, one look at a time, so that the loop only
hands out what is ready.
"""

import asyncio
import contextlib
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from celery_gossip.log import LimitedLogger
from celery_gossip.web.look import Look, Source, Watch
from celery_gossip.web.subject import tables_of
from celery_gossip.web.topic import Subject, Tables, Topic, parse

__all__ = ["MOST_TOPICS", "MOST_VIEWERS", "Board", "Crowded"]

MOST_VIEWERS = 200  #: at once; the next is told to come later
MOST_TOPICS = 8  #: of one viewer
_TICK = 0.5  #: seconds between two looks while somebody watches, if the looks are quick
_IDLE_TICK = 5.0  #: seconds while nobody does
_SHARE = 0.1  #: of the time that looks may take
_KEPT = 30.0  #: seconds for which a topic that nobody watches is kept: a viewer may only have been cut off
_STALE = 1.0  #: seconds after which a look is too old for who asks once
_OLD = 2 * _IDLE_TICK  #: seconds after which it is too old to begin with: differences follow at once


class Crowded(Exception):
    """There are as many viewers as there may be."""


@dataclass
class _Watched:
    """A topic, None before it was first looked at, and whether anybody watches."""

    subject: Subject
    topic: Topic | None = None
    viewers: int = 0
    left_at: float = 0.0  #: when the last of them left


@dataclass
class _Viewer:
    """Where somebody is who watches."""

    topics: tuple[str, ...]
    mark: str  #: of its topics, in every id: who comes back for others must be told all of them
    tick: int | None  #: the last that it was told of; None: nothing yet


@dataclass
class Board:
    """start() and stop() it on the loop that it is used on; events() is a viewer's stream."""

    watches: Sequence[Watch]
    clock: Callable[[], float] = time.monotonic
    boot: str = field(default_factory=lambda: secrets.token_hex(4))  #: of this server

    def __post_init__(self) -> None:
        self._looks: dict[str, Look] = {}
        self._looked_at = float("-inf")
        self._took = 0.0
        self._tick = 0
        self._watched: dict[str, _Watched] = {}
        self._viewers = 0
        self._looking = asyncio.Lock()
        self._ticked = asyncio.Condition()
        self._somebody = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_over = False
        self._log = LimitedLogger()

    @property
    def listeners(self) -> dict[str, Source]:
        """By source."""
        return {watch.source: watch.listener for watch in self.watches}

    def start(self) -> None:
        """Begin to look; once."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Tell every viewer that it is over."""
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._announce()

    async def looks(self) -> dict[str, Look]:
        """`{source: a look that is a second old at most}`."""
        if self.clock() - self._looked_at > _STALE:
            await self._look()
        return self._looks

    async def events(self, names: Sequence[str], last_id: str = "") -> AsyncIterator[bytes]:
        """Server-sent events of these topics, without end. Raises ValueError for what is no topic, Crowded for want of
        room.

        Nothing is queued for a viewer that reads slowly: it gets what it missed when it reads again.
        """
        subjects = {name: parse(name) for name in names}
        if self._viewers >= MOST_VIEWERS:
            raise Crowded
        mark = hashlib.sha256("\n".join(sorted(subjects)).encode()).hexdigest()[:12]
        viewer = _Viewer(tuple(subjects), mark, self._tick_in(last_id, mark))
        self._viewers += 1
        self._somebody.set()
        try:
            with self._watching(subjects):
                await self._look(only=viewer.topics)
                yield b"retry: 2000\n\n"
                while not self._is_over:
                    for event in self._news(viewer):
                        yield event
                    await self._next_tick(viewer.tick or 0)
                yield b"event: over\ndata: {}\n\n"
        finally:
            self._viewers -= 1

    def _tick_in(self, last_id: str, mark: str) -> int | None:
        boot, _, rest = last_id.partition("-")
        tick, _, its_mark = rest.partition("-")
        is_ours = boot == self.boot and its_mark == mark
        return int(tick) if is_ours and tick.isdecimal() and len(tick) < 16 else None

    @contextlib.contextmanager
    def _watching(self, subjects: Mapping[str, Subject]) -> Iterator[None]:
        for name, subject in subjects.items():
            self._watched.setdefault(name, _Watched(subject)).viewers += 1
        try:
            yield
        finally:
            for name in subjects:
                self._watched[name].viewers -= 1
                self._watched[name].left_at = self.clock()

    def _news(self, viewer: _Viewer) -> Iterator[bytes]:
        """Events that bring the viewer to the latest tick: one, or one for each tick that it missed."""
        news: dict[int, list[bytes]] = {self._tick: []}
        for name in viewer.topics:
            label = msgspec.json.encode(name) + b":"
            topic = self._watched[name].topic
            if topic is None:  # its look has failed
                continue
            changes = None if viewer.tick is None else topic.since(viewer.tick)
            if changes is None:
                changes = [(self._tick, topic.full())]
            for tick, change in changes:
                news.setdefault(tick, []).append(label + change)
        viewer.tick = self._tick
        now = msgspec.json.encode(round(time.time(), 1))
        for tick in sorted(news):
            head = f"id: {self.boot}-{tick}-{viewer.mark}\nevent: tables\ndata: ".encode()
            yield b'%s{"now":%s,"topics":{%s}}\n\n' % (head, now, b",".join(news[tick]))

    async def _next_tick(self, tick: int) -> None:
        async with self._ticked:
            await self._ticked.wait_for(lambda: self._is_over or self._tick > tick)

    async def _announce(self) -> None:
        async with self._ticked:
            self._ticked.notify_all()

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except Exception as exc:  # a look that stumbles over something must not blind the page for ever
                self._log.error("look", "celery-gossip: the dashboard cannot look: %r", exc, exc_info=exc)
            await self._announce()
            await asyncio.sleep(max(_TICK, self._took / _SHARE))
            if not self._viewers:
                await self._rest()

    async def _rest(self) -> None:
        """Until somebody comes, or for as long as nobody need look."""
        self._somebody.clear()
        with contextlib.suppress(asyncio.TimeoutError):  # which is no TimeoutError on Python 3.10
            await asyncio.wait_for(self._somebody.wait(), _IDLE_TICK)

    async def _look(self, only: tuple[str, ...] = ()) -> None:
        """Look at all sources and make what is watched; where only some topics are asked for, of the latest look."""
        async with self._looking:
            began = self.clock()
            if only and began - self._looked_at <= _OLD:
                await self._make(self._tick, [name for name in only if not self._is_made(name)])
                return
            self._forget(began)
            self._looks = await asyncio.to_thread(lambda: {watch.source: watch.look() for watch in self.watches})
            self._looked_at = began
            await self._make(self._tick + 1, [name for name, watched in self._watched.items() if watched.viewers])
            self._tick += 1
            self._took = self.clock() - began

    def _is_made(self, name: str) -> bool:
        """Of the latest look; what nobody watches is left as it is."""
        topic = self._watched[name].topic
        return topic is not None and topic.tick == self._tick

    async def _make(self, tick: int, names: list[str]) -> None:
        """Tables of these topics: made on a thread, and put in their places on the loop, where viewers read them."""
        for name, tables, change in await asyncio.to_thread(lambda: list(self._made(names))):
            watched = self._watched.get(name)
            if watched is None:
                continue
            if watched.topic is None:
                watched.topic = Topic(tick, tables)
            else:
                watched.topic.commit(tick, tables, change)

    def _made(self, names: list[str]) -> Iterator[tuple[str, Tables, bytes | None]]:
        listeners = self.listeners
        for name in names:
            watched = self._watched[name]
            tables = tables_of(watched.subject, self._looks, listeners)
            yield name, tables, None if watched.topic is None else watched.topic.change_to(tables)

    def _forget(self, now: float) -> None:
        for name, watched in list(self._watched.items()):
            if not watched.viewers and now - watched.left_at > _KEPT:
                del self._watched[name]
