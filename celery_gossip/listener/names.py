"""Checks lists of names that users pass to a listener. Pure."""

from collections.abc import Iterable

from celery_gossip.errors import InvalidOption

__all__ = ["validate_names"]


def validate_names(option: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return these names, each once. Raises InvalidOption for anything but a list of names that are not empty."""
    try:
        found = () if isinstance(names, (str, bytes)) else tuple(names)
    except TypeError:
        found = ("",)
    if isinstance(names, (str, bytes)) or not all(isinstance(name, str) and name for name in found):
        raise InvalidOption(f"{option}: expected a list of names, got {names!r}"[:300])
    return tuple(dict.fromkeys(found))
