"""Ids of parametrized tests that are the same in every process, as running tests side by side requires."""

import re

__all__ = ["stable_id"]

_CHANGING = re.compile(r" at 0x[0-9a-f]+|(?<=bcast\.)[0-9a-f-]{36}|(?<=mine\.)[0-9a-f-]{36}")


def stable_id(value: object) -> str:
    """Return the value's repr without addresses and generated UUIDs."""
    return _CHANGING.sub("", repr(value))
