"""TaskNameTable: lists of registered task names, each once for all workers that have it. Pure.

Used under the Cluster's lock. Workers report their lists in parts. A list is known when all parts of one digest have
arrived, from any worker, and the digest of the names is that one: so a wrong part cannot make a wrong list, it only
delays the right one.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from sys import intern

from celery_gossip.wire.profile import TaskNames, registry_digest

__all__ = ["TaskNameTable"]

_MAX_LISTS = 200
_MAX_BYTES = 8 * 2**20  #: of the lists in memory, by estimate; as much again for parts of others
_STRING_BYTES = 57 + 8


@dataclass
class _Partial:
    """Parts of a list, by position of their first name."""

    total: int
    parts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    size: int = 0

    def joined(self) -> tuple[str, ...] | None:
        """Return all names; None while parts are missing."""
        names: list[str] = []
        for start in sorted(self.parts):
            if start > len(names):
                return None
            names += self.parts[start][len(names) - start :]
        return tuple(names) if len(names) == self.total else None


class TaskNameTable:
    """Names by digest. Lists that were reported least recently are dropped first, unverified parts before others."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lists: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._partial: OrderedDict[tuple[bool, str], _Partial] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._list_bytes = 0
        self._part_bytes = 0

    def get(self, registry: str) -> tuple[str, ...]:
        """Return the sorted names; empty if they are not known."""
        return self._lists.get(registry, ())

    def add(self, part: TaskNames, *, is_verified: bool) -> None:
        """Add a part. One of a list that is known costs nothing."""
        if part.registry in self._lists:
            self._lists.move_to_end(part.registry)
            return
        partial = self._partial_of(part, is_verified=is_verified)
        if part.start not in partial.parts:
            size = _size(part.names)
            partial.parts[part.start] = part.names
            partial.size += size
            self._part_bytes += size
        names = partial.joined()
        if names is not None:
            self._complete(part.registry, is_verified, names)
        self._enforce_limits()

    def _partial_of(self, part: TaskNames, *, is_verified: bool) -> _Partial:
        key = (is_verified, part.registry)
        partial = self._partial.get(key)
        if partial is None or partial.total != part.total:
            self._drop_partial(key)
            partial = self._partial[key] = _Partial(part.total)
        self._partial.move_to_end(key)
        return partial

    def _complete(self, registry: str, is_verified: bool, names: tuple[str, ...]) -> None:
        self._drop_partial((is_verified, registry))
        if registry_digest(names) != registry:
            return
        self._drop_partial((not is_verified, registry))
        self._lists[registry] = tuple(map(intern, names))
        self._sizes[registry] = _size(names)
        self._list_bytes += self._sizes[registry]

    def _enforce_limits(self) -> None:
        while self._partial and (self._part_bytes > self._max_bytes or len(self._partial) > _MAX_LISTS):
            self._drop_partial(next((key for key in self._partial if not key[0]), next(iter(self._partial))))
        while self._lists and (self._list_bytes > self._max_bytes or len(self._lists) > _MAX_LISTS):
            registry, _ = self._lists.popitem(last=False)
            self._list_bytes -= self._sizes.pop(registry)

    def _drop_partial(self, key: tuple[bool, str]) -> None:
        partial = self._partial.pop(key, None)
        self._part_bytes -= 0 if partial is None else partial.size


def _size(names: tuple[str, ...]) -> int:
    return sum([_STRING_BYTES + 2 * len(name) for name in names])
