"""FailureLog: the latest failures of a worker's tasks, each for three reports. Bounded.

add() is called on any thread on which Celery handles a failure. All other methods are called on the sender thread. A
deque is between them, without a lock, so that no child process can inherit one that is held.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from celery_gossip.options import FailureDetails
from celery_gossip.wire.messages import (
    MAX_FAILURES,
    Gossip,
    TaskFailure,
    clamp_count,
    clamp_seconds,
    sanitize_name,
)
from celery_gossip.worker.failure_details import describe_failure, shown_message
from celery_gossip.worker.timing import REPEATS

__all__ = ["FailedTask", "FailureLog"]

_MAX_BYTES = 16 * 1024  #: of the failures in a report; those that do not fit wait for the next one
_BASE_BYTES = 160  #: upper bound of a failure without its texts, and with the indexes of its frames
_FINAL_REPEATS = 2  #: reports with each failure after which a worker that ends needs no further ones

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class FailedTask:
    """A task that failed, as the instrumentation knows it. The texts may be of any client that sends tasks."""

    task: str
    queue: str  #: empty if unknown
    exception: str  #: name of the class
    id: Any
    runtime: float | None = None  #: seconds
    retries: Any = 0
    message: str | None = None  #: used if the details are asked for and there is no ExceptionInfo


@dataclass(frozen=True)
class _Record:
    """A failure as it is reported. Texts only: neither the request nor the exception is kept alive."""

    number: int
    task: str
    queue: str
    exception: str
    id: str
    at: float  #: monotonic seconds
    runtime: float | None
    retries: int
    message: str | None
    frames: tuple[str, ...]
    own_frame: int | None


class FailureLog:
    """The newest MAX_FAILURES failures that fewer than three reports have contained."""

    def __init__(self, details: FailureDetails = "off", clock: Callable[[], float] = time.monotonic) -> None:
        self._details = details
        self._clock = clock
        self._numbers = itertools.count(1)
        self._new: deque[_Record] = deque(maxlen=MAX_FAILURES)  # appended on any thread; the oldest are displaced
        self._kept: dict[int, _Record] = {}  # by number
        self._sendings: dict[int, int] = {}  # reports that contained them, by number

    def add(self, failed: FailedTask, exc_info: Any = None) -> None:
        """Keep a failure; `exc_info` is billiard's ExceptionInfo, or None. Any thread."""
        message, frames, own_frame = describe_failure(exc_info, failed.exception, self._details)
        if message is None and failed.message is not None and self._details != "off":
            message = shown_message(failed.message, failed.exception)
        runtime, retries = failed.runtime, failed.retries
        record = _Record(
            number=next(self._numbers),
            task=sanitize_name(failed.task),
            queue=sanitize_name(failed.queue),
            exception=sanitize_name(failed.exception),
            id=sanitize_name(failed.id),
            at=self._clock(),
            runtime=None if runtime is None else clamp_seconds(round(runtime, 3)),
            retries=clamp_count(int(retries)) if isinstance(retries, int) else 0,
            message=message,
            frames=frames,
            own_frame=own_frame,
        )
        self._new.append(record)

    @property
    def has_unreported(self) -> bool:
        """True while a failure was in fewer than two reports."""
        return bool(self._new) or any(count < _FINAL_REPEATS for count in self._sendings.values())

    def add_to(self, gossip: Gossip) -> Gossip:
        """Return the report with the failures that are due: those in the fewest reports first, as far as they fit."""
        self._accept_new()
        if not self._kept:
            return gossip
        now, names = self._clock(), dict[str, int]()
        for index, name in enumerate(gossip.names):
            names.setdefault(name, index)
        listed, size = dict[int, TaskFailure](), 0
        end = len(gossip.names)
        texts = [*gossip.names]
        for number in sorted(self._kept, key=lambda one: (self._sendings[one], -one)):
            record = self._kept[number]
            added = [name for name in dict.fromkeys(_names_of(record)) if name not in names]
            size += _BASE_BYTES + len(_encode((record.id, record.message or "", added))) + 5 * len(record.frames)
            if size > _MAX_BYTES and listed:
                break
            for name in added:
                names[name], end = end, end + 1
                texts.append(name)
            listed[number] = _on_wire(record, now, names)
        failures = tuple([listed[number] for number in sorted(listed, reverse=True)])
        return msgspec.structs.replace(gossip, names=tuple(texts), failures=failures)

    def commit(self, sent: Iterable[TaskFailure]) -> None:
        """Note that a report with these failures was sent."""
        for failure in sent:
            count = self._sendings.get(failure.number)
            if count is None:
                continue
            self._sendings[failure.number] = count + 1
            if count + 1 >= REPEATS:
                self._drop(failure.number)

    def _accept_new(self) -> None:
        while True:
            try:
                record = self._new.popleft()
            except IndexError:
                break
            self._kept[record.number] = record
            self._sendings[record.number] = 0
        for number in sorted(self._kept)[: max(0, len(self._kept) - MAX_FAILURES)]:
            self._drop(number)

    def _drop(self, number: int) -> None:
        self._kept.pop(number, None)
        self._sendings.pop(number, None)


def _names_of(record: _Record) -> tuple[str, ...]:
    return (record.task, record.queue, record.exception, *record.frames)


def _on_wire(record: _Record, now: float, names: dict[str, int]) -> TaskFailure:
    return TaskFailure(
        number=record.number,
        task=names[record.task],
        queue=names[record.queue],
        exception=names[record.exception],
        id=record.id,
        age=clamp_seconds(round(now - record.at, 2)),
        runtime=record.runtime,
        retries=record.retries,
        message=record.message,
        frames=tuple([names[frame] for frame in record.frames]),
        own_frame=record.own_frame,
    )
