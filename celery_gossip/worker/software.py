"""SoftwareReport: what this worker runs, for some of its reports.

Built when the worker starts, on the main thread; read on the sender thread. Of a configuration only numbers and flags
are read, and of the environment only two variables: no other value can be in a report.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from typing import Any, get_args

import celery
import msgspec

from celery_gossip.wire.limits import Count, clamp_count, clamp_seconds, sanitize_name
from celery_gossip.wire.profile import registry_digest
from celery_gossip.wire.software import MAX_RELEASE, MAX_VERSION, Settings, Software
from celery_gossip.worker import _compat as compat

__all__ = [
    "RELEASE_VARIABLES",
    "SoftwareReport",
    "find_release",
    "find_visibility_timeout",
    "read_settings",
]

RELEASE_VARIABLES = ("GIT_SHA", "SENTRY_RELEASE")  #: environment variables that are read, the first that is set
_FIRST_REPORTS = 3  #: reports of an instance that contain its software, because a message may be lost
_REPEAT_AFTER = 60.0  #: seconds; listeners that start later learn it within that time
_MAX_SECONDS = 1e11  #: float() of a larger whole number may raise
_BUILT_IN = "celery."  #: prefix of the names of Celery's own tasks
#: Setting → attribute of the worker with the value in force, which may be that of its command line.
_OPTIONS = {
    "task_time_limit": "time_limit",
    "task_soft_time_limit": "soft_time_limit",
    "worker_prefetch_multiplier": "prefetch_multiplier",
    "worker_max_tasks_per_child": "max_tasks_per_child",
    "worker_max_memory_per_child": "max_memory_per_child",
    "worker_send_task_events": "task_events",
}


class SoftwareReport:
    """The software of one worker, in its first reports and then once a minute."""

    def __init__(self, consumer: Any, release: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._consumer = consumer
        self._release = release
        self._clock = clock
        self._software: Software | None = None
        self.task_names: tuple[str, ...] = ()  #: of the registered tasks, sorted; set by describe()
        self._sent = 0
        self._due_at = 0.0

    def describe(self) -> None:
        """Read the software, if that was not done yet. Main thread; takes a millisecond for 1,000 tasks.

        To be called when the consumer has started: it then has the tasks with which it dispatches messages. Later
        registrations, such as of a module that a task imports, are left out, so that equal workers stay equal.
        """
        if self._software is None:
            names = self.task_names = _registered_names(self._consumer.app)
            self._software = Software(
                release=find_release(self._release, os.environ),
                celery=_version(celery.__version__),
                kombu=_version(compat.find("kombu:__version__", "")),
                python=_version(platform.python_version()),
                gossip=_version(compat.find("celery_gossip:__version__", "")),
                registry=registry_digest(names),
                tasks=clamp_count(len(names)),
                settings=read_settings(self._consumer),
            )

    def due(self) -> Software | None:
        """Return the software if the next report is to contain it. Sender thread."""
        return self._software if self._sent < _FIRST_REPORTS or self._clock() >= self._due_at else None

    def commit(self) -> None:
        """Note that the software was sent."""
        self._sent += 1
        self._due_at = self._clock() + _REPEAT_AFTER


def find_release(option: str | None, environ: Mapping[str, str]) -> str:
    """Return the release: that of the option, or else of the first environment variable that is set; or empty.

    An empty option means that there is none, and that the environment is not read.
    """
    texts = [environ.get(name, "") for name in RELEASE_VARIABLES] if option is None else [option]
    release = next((text.strip() for text in texts if text.strip()), "")
    return sanitize_name(release)[:MAX_RELEASE]


def read_settings(consumer: Any) -> Settings:
    """Return the settings in force. One that cannot be read, or is neither a number nor a flag, is left out."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        with suppress(Exception):  # a configuration may be an object of any kind
            values[field.name] = _checked(_read(consumer, field.name), field.type)
    return Settings(**values)


def find_visibility_timeout(consumer: Any) -> float | None:
    """Return the seconds after which the broker delivers a message again; None if there is no such time, or unknown."""
    try:
        return _seconds(compat.redelivery_timeout(consumer.app))
    except Exception:  # a transport that cannot be imported, or an invalid URL: the worker reports that
        return None


def _read(consumer: Any, name: str) -> Any:
    if name == "visibility_timeout":
        return find_visibility_timeout(consumer)
    if name in _OPTIONS:
        return compat.option_in_force(consumer, _OPTIONS[name], name)
    return consumer.app.conf.get(name)


def _checked(value: Any, expected: Any) -> bool | int | float | None:
    """Return the value if it is of the type of its field, within the limits of a message; else None."""
    kinds = get_args(expected)
    if bool in kinds:
        return value if isinstance(value, bool) else None
    if Count in kinds:
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return clamp_count(value) if is_count else None
    return _seconds(value)


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
        return None
    return clamp_seconds(float(min(value, _MAX_SECONDS)))


def _registered_names(app: Any) -> tuple[str, ...]:
    """Return the names as they are reported, so that a listener can compute their digest, too."""
    names = {sanitize_name(name) for name in compat.copied(app.tasks) if not name.startswith(_BUILT_IN)}
    return tuple(sorted(names))


def _version(text: str) -> str:
    return sanitize_name(text)[:MAX_VERSION]
