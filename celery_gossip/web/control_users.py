"""Control users: which of the server's permissions each user has, from a file that is read once, at start."""

import os
import stat
from collections.abc import Mapping

from celery_gossip.control.permission import parse_permissions
from celery_gossip.errors import InvalidOption

__all__ = ["EVERYONE", "read_control_users"]

EVERYONE = "*"  #: in place of a name: users that are not listed
_MAX_FILE = 64 * 1024  #: bytes that are read


def read_control_users(path: str) -> Mapping[str, frozenset[str]]:
    """Return `{user: permissions}` of a file with lines of `user:permission,permission`; nothing after the colon: none.

    Raises InvalidOption for a file that cannot be read or that other users can write, and for an invalid line.
    """
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = file.read(_MAX_FILE + 1)
    except (OSError, ValueError) as exc:
        raise InvalidOption(f"control_users: cannot read {path!r}: {exc}") from exc
    if mode & (stat.S_IWOTH | stat.S_IWGRP):
        raise InvalidOption(f"control_users: other users can write {path!r}: chmod go-w")
    if len(lines) > _MAX_FILE:
        raise InvalidOption(f"control_users: expected at most {_MAX_FILE} characters in {path!r}")
    users: dict[str, frozenset[str]] = {}
    for number, line in enumerate(map(str.strip, lines.splitlines()), 1):
        if line and not line.startswith("#"):
            user, colon, names = (part.strip() for part in line.rpartition(":"))
            where = f"control_users: line {number} of {path!r}"
            if not (user and colon) or user in users:
                raise InvalidOption(f"{where}: expected user:permission,permission, and each user once")
            users[user] = parse_permissions(names, where) if names else frozenset()
    return users
