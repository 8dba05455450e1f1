"""Permissions: which commands a dashboard may send. Read once from an option at start. Pure."""

import difflib
from collections.abc import Collection, Iterable

from celery_gossip.control.command import PERMISSIONS
from celery_gossip.errors import InvalidOption

__all__ = ["ALL", "DEFAULT", "parse_permissions", "require_permissions"]

ALL = "all"  #: in place of the names of all permissions
#: Meaning of `--allow-control` without names: commands that can be undone by another one, and end no task.
DEFAULT = frozenset({"pause", "scale"})


def parse_permissions(text: str, option: str = "allow_control") -> frozenset[str]:
    """Return the permissions in a text like "pause,scale". Raises InvalidOption for an unknown or missing name."""
    return require_permissions([name.strip() for name in text.split(",")], option)


def require_permissions(names: Iterable[str], option: str = "allow_control") -> frozenset[str]:
    """Return these permissions, with `all` replaced. Raises InvalidOption for an unknown name, or for none."""
    given = list(names)
    unknown = next((name for name in given if name != ALL and name not in PERMISSIONS), None)
    if unknown is not None or not given:
        raise InvalidOption(
            f"{option}: expected names of {', '.join(PERMISSIONS)}, or {ALL}, separated by commas, "
            f"got {(unknown or '')[:100]!r}{_hint(unknown or '', (*PERMISSIONS, ALL))}"
        )
    return frozenset(PERMISSIONS) if ALL in given else frozenset(given)


def _hint(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f": did you mean {near[0]!r}?" if near else ""
