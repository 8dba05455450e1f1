"""Parts of a report about a worker's process, its configuration and the names of its tasks. Pure.

Read by messages.py, which re-exports them. Which settings a worker reports, and what of them, is decided in
worker/configuration.py; a listener accepts any name within the limits, so that a newer worker can report more.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated

import msgspec

from celery_gossip.wire.limits import Count, Name, Seconds

__all__ = [
    "MAX_PART_NAMES",
    "MAX_SETTINGS",
    "MAX_SETTING_TEXT",
    "MAX_TASK_NAMES",
    "Profile",
    "Setting",
    "SettingValue",
    "TaskNames",
    "has_valid_profile",
    "profile_texts",
    "registry_digest",
]

MAX_SETTINGS = 100  #: in a report
MAX_SETTING_TEXT = 64  #: characters of the name of a setting, and of a value that is a text
MAX_TASK_NAMES = 10_000  #: of one worker; the names of more are not reported
MAX_PART_NAMES = 500  #: names in a report

_SettingText = Annotated[str, msgspec.Meta(max_length=MAX_SETTING_TEXT)]
SettingValue = bool | Annotated[float, msgspec.Meta(gt=-1e11, lt=1e11)] | _SettingText


class Setting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A setting in force, `[name, value]` on the wire. A text is one of those that the worker's code lists."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SETTING_TEXT)]
    value: SettingValue


class TaskNames(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Part of the sorted names of the registered tasks, `[registry, total, start, names]` on the wire."""

    registry: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]  #: digest of all names; see Software.registry
    total: Annotated[int, msgspec.Meta(ge=1, le=MAX_TASK_NAMES)]  #: number of all names
    start: Count  #: position of the first one of `names`
    names: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=MAX_PART_NAMES)]


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Facts that do not change while a worker runs, and are reported rarely."""

    pid: Count | None = None  #: id of the main process, in its own namespace
    age: Seconds | None = None  #: seconds since the main process started; None if that is not known
    settings: Annotated[tuple[Setting, ...], msgspec.Meta(max_length=MAX_SETTINGS)] = ()
    tasks: TaskNames | None = None


def registry_digest(names: Iterable[str]) -> str:
    """Return 16 hex digits that are the same for the same names in any order."""
    text = "\n".join(sorted(names)).encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()[:16]


def profile_texts(profile: Profile) -> list[str]:
    """Return all texts that a sender chose."""
    texts = [setting.name for setting in profile.settings]
    texts += [setting.value for setting in profile.settings if isinstance(setting.value, str)]
    return texts if profile.tasks is None else [*texts, *profile.tasks.names]


def has_valid_profile(profile: Profile | None) -> bool:
    """Return True if the part of the names lies within the list, and if there is none."""
    part = None if profile is None else profile.tasks
    return part is None or part.start + len(part.names) <= part.total
