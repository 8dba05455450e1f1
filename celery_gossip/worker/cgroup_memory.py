"""Memory limit of the worker's cgroup, and the memory that counts towards it. Linux; versions 1 and 2 of cgroups.

Called on the sender thread. Every file is closed before the function returns; what cannot be read is unknown.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

__all__ = ["CgroupMemory", "read_cgroup_memory"]

_MAX_READ = 65_536  #: bytes of one file
_MAX_DEPTH = 32  #: cgroups that are visited
_UNLIMITED = 2**60  #: bytes; version 1 stands for "no limit" with a number near 2**63


class CgroupMemory(NamedTuple):
    """Bytes."""

    limit: int | None  #: the lowest limit of the cgroup and those around it that can be seen; None without one
    used: int | None  #: used in the cgroup with that limit, without caches that the kernel frees first


class _Version(NamedTuple):
    """Names of files, and the lines of `memory.stat` that count memory which the kernel frees before it kills."""

    limit: str
    usage: str
    freeable: frozenset[str]


_V1 = _Version(
    "memory.limit_in_bytes", "memory.usage_in_bytes", frozenset({"total_inactive_file", "total_active_file"})
)
_V2 = _Version("memory.max", "memory.current", frozenset({"inactive_file", "active_file", "slab_reclaimable"}))


def read_cgroup_memory(root: str = "") -> CgroupMemory:
    """Return limit and usage of the cgroup of this process; `root` is put before every path. Takes about 0.1 ms."""
    for version, mount, folder in _memory_cgroups(root):
        limits = [
            (limit, path) for path in _upwards(mount, folder) if (limit := _read_limit(f"{root}{path}/{version.limit}"))
        ]
        if limits:
            limit, path = min(limits)
            return CgroupMemory(limit, _read_used(f"{root}{path}", version))
    return CgroupMemory(None, None)


def _memory_cgroups(root: str) -> Iterator[tuple[_Version, str, str]]:
    """Yield `(version, mount point, folder below it)` of the cgroups that may limit the memory of this process."""
    mounts = _mounts(root)
    for line in _read(f"{root}/proc/self/cgroup").splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        is_v2 = number == "0" and not controllers
        if is_v2 or "memory" in controllers.split(","):
            mounted, mount = mounts.get(2 if is_v2 else 1, ("/", ""))
            if mount:
                yield _V2 if is_v2 else _V1, mount, _below(path, mounted)


def _mounts(root: str) -> dict[int, tuple[str, str]]:
    """Return `{version: (cgroup that is mounted, mount point)}`, of the first mount of each."""
    found: dict[int, tuple[str, str]] = {}
    for line in _read(f"{root}/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            found.setdefault(2, (_unescape(fields[3]), _unescape(fields[4])))
        elif kind[0] == "cgroup" and "memory" in kind[2].split(","):
            found.setdefault(1, (_unescape(fields[3]), _unescape(fields[4])))
    return found


def _below(path: str, mounted: str) -> str:
    """Return the cgroup `path` relative to the one that is mounted; empty if it is not below it.

    In a container without a cgroup namespace both are paths of the host. One that begins with `/..` cannot be seen.
    """
    parts, base = PurePosixPath(path).parts, PurePosixPath(mounted).parts
    if ".." in parts or parts[: len(base)] != base:
        return ""
    return "/".join(parts[len(base) :])


def _upwards(mount: str, folder: str) -> Iterator[str]:
    """Yield the path of the cgroup, then those around it up to the mount point."""
    parts = [part for part in folder.split("/") if part][:_MAX_DEPTH]
    for end in range(len(parts), -1, -1):
        yield "/".join((mount.rstrip("/"), *parts[:end]))


def _read_limit(path: str) -> int | None:
    """Return the limit in this file; None if there is none ("max")."""
    limit = _as_int(_read(path))
    return limit if limit is not None and 0 < limit < _UNLIMITED else None


def _read_used(path: str, version: _Version) -> int | None:
    usage = _as_int(_read(f"{path}/{version.usage}"))
    if usage is None:
        return None
    fields = (line.partition(" ") for line in _read(f"{path}/memory.stat").splitlines())
    return max(0, usage - sum(_as_int(value) or 0 for name, _, value in fields if name in version.freeable))


def _as_int(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _unescape(path: str) -> str:
    """Replace the escapes of mountinfo: a space is `\\040`."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _read(path: str) -> str:
    """Return the beginning of a file; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_READ).decode("utf-8", "replace")
    except OSError:
        return ""
