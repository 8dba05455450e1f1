"""Files with secrets, one per line: URLs of brokers, credentials for a dashboard. Called by the commands."""

import os
import stat

from celery_gossip.errors import InvalidOption

__all__ = ["read_secret_lines"]

_MOST_BYTES = 64 * 1024


def read_secret_lines(option: str, path: str, expected: str) -> list[tuple[int, str]]:
    """Return the lines of this file with their numbers, without empty ones and those that begin with #.

    Raises InvalidOption, which names the option and the path and shows nothing of the content, for a file that cannot
    be read, that other users may read or change, that is too large, that is not UTF-8, or that has no such line.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise InvalidOption(f"{option}: cannot read {path!r}: {getattr(exc, 'strerror', None) or exc}") from exc
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise InvalidOption(
            f"{option}: expected a file that other users cannot read and its group cannot write, got {path!r} with "
            f"mode {stat.S_IMODE(mode):o}: chmod o-rwx,g-w"
        )
    try:
        lines = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        lines = []
    found = [(number, line) for number, line in enumerate(lines, start=1) if line and not line.startswith("#")]
    if not found or len(content) > _MOST_BYTES:
        raise InvalidOption(f"{option}: expected {expected}, got {path!r}")
    return found
