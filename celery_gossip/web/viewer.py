"""Viewers: decides which event stream ends when all places are taken. Pure; owned by the Broadcaster."""

from collections import OrderedDict
from dataclasses import dataclass, field

__all__ = ["Viewer", "Viewers"]


@dataclass(eq=False)
class Viewer:
    """One open event stream."""

    owner: str  #: user; address if no user is known
    is_displaced: bool = False  #: another viewer got its place; the stream ends
    is_writing: bool = False  #: the server has an event that it has not written yet


@dataclass
class Viewers:
    """Open streams by owner. A new viewer is always admitted: it displaces a stream of the owner with the most."""

    _by_owner: dict[str, OrderedDict[Viewer, None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self._by_owner.values()))

    def add(self, owner: str, max_viewers: int) -> Viewer | None:
        """Return a new viewer; None if there is no stream to displace.

        At `max_viewers` the owner with the most streams loses one: the oldest whose client does not read, else the
        oldest.
        """
        if len(self) >= max_viewers and not self._displace(owner):
            return None
        viewer = Viewer(owner)
        self._by_owner.setdefault(owner, OrderedDict())[viewer] = None
        return viewer

    def remove(self, viewer: Viewer) -> None:
        """Free the place of a viewer, unless it was displaced."""
        streams = self._by_owner.get(viewer.owner)
        if streams is not None:
            streams.pop(viewer, None)
            if not streams:
                del self._by_owner[viewer.owner]

    def _displace(self, owner: str) -> bool:
        largest = max(self._by_owner, key=lambda one: len(self._by_owner[one]) + (one == owner), default=None)
        if largest is None:
            return False
        streams = self._by_owner[largest]
        victim = next((one for one in streams if one.is_writing), next(iter(streams)))
        victim.is_displaced = True
        self.remove(victim)
        return True
