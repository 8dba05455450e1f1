"""ProfileReport: process, configuration and task names of this worker, for some of its reports.

Built when the worker starts, on the main thread; read on the sender thread.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import msgspec

from celery_gossip.options import GossipOptions
from celery_gossip.wire.limits import clamp_seconds
from celery_gossip.wire.profile import (
    MAX_PART_NAMES,
    MAX_TASK_NAMES,
    Profile,
    Setting,
    TaskNames,
    registry_digest,
)
from celery_gossip.worker.configuration import read_configuration
from celery_gossip.worker.process_age import process_age
from celery_gossip.worker.software import SoftwareReport

__all__ = ["REPEAT_AFTER", "ProfileReport", "split_names"]

_FIRST_REPORTS = 3  #: reports of an instance that contain its settings, because a message may be lost
REPEAT_AFTER = 120.0  #: seconds; listeners that start later learn it within that time
_PART_BYTES = 4096  #: of names in one report; a longer list is split

_encode = msgspec.json.Encoder().encode


class ProfileReport:
    """The profile of one worker, in its first reports and then every two minutes.

    A report contains one part of the names. The first reports contain the parts in order, without a pause between them;
    later ones repeat them in rotation.
    """

    def __init__(
        self,
        consumer: Any,
        software: SoftwareReport,
        options: GossipOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
        age: Callable[[float], float] = process_age,
    ) -> None:
        self._consumer = consumer
        self._software = software
        self._options = options
        self._clock = clock
        self._age = age
        self._settings: tuple[Setting, ...] = ()
        self._parts: tuple[TaskNames, ...] | None = None
        self._sent = 0
        self._due_at = 0.0

    def describe(self) -> None:
        """Read the configuration, and the names that the software counts, if that was not done yet. Main thread."""
        if self._parts is None:
            self._settings = read_configuration(self._consumer, self._options)
            self._parts = split_names(self._software.task_names)

    def due(self) -> Profile | None:
        """Return the profile if the next report is to contain it. Sender thread."""
        parts, sent = self._parts, self._sent
        if parts is None or (sent >= max(_FIRST_REPORTS, len(parts)) and self._clock() < self._due_at):
            return None
        has_settings = sent < _FIRST_REPORTS or sent >= len(parts)
        return Profile(
            pid=os.getpid(),
            age=clamp_seconds(round(self._age(time.monotonic()), 1)),
            settings=self._settings if has_settings else (),
            tasks=parts[sent % len(parts)] if parts else None,
        )

    def commit(self) -> None:
        """Note that the profile was sent."""
        self._sent += 1
        self._due_at = self._clock() + REPEAT_AFTER


def split_names(names: tuple[str, ...]) -> tuple[TaskNames, ...]:
    """Return the parts of these sorted names, of about 4 KiB each; none if there are too many names."""
    if len(names) > MAX_TASK_NAMES:
        return ()
    registry, parts, start, size = registry_digest(names), list[TaskNames](), 0, 0
    for at, name in enumerate(names):
        length = len(_encode(name)) + 1
        if at > start and (size + length > _PART_BYTES or at - start >= MAX_PART_NAMES):
            parts.append(TaskNames(registry, len(names), start, names[start:at]))
            start, size = at, 0
        size += length
    return (*parts, TaskNames(registry, len(names), start, names[start:])) if names else ()
