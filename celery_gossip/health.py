"""The health file: a line with the time at which its worker could last consume, or its beat ticked. A probe reads it.

`python -m celery_gossip.health FILE --max-age 10` runs every few seconds next to it, so this module imports the
standard library only. The worker writes on its event loop, beat on a thread of its own.
"""

import argparse
import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

__all__ = ["STANDBY", "HealthFile", "is_standby", "main", "unhealthy_reason"]

STANDBY = "standby"  #: third word of the line of a beat that waits for the lock of its scheduler
MAX_AGE = 10.0  #: seconds
_MAX_LINE = 100  #: bytes; a longer file is no health file
_MAX_DRAFT_AGE = 60.0  #: seconds after which a draft is a leftover of a crash
#: Other users may create files in that folder, so existing files are never written to, and opening a FIFO never blocks.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY
_READ_FLAGS = os.O_RDONLY | _SAFELY
_FULL = (errno.ENOSPC, errno.EDQUOT)
_KINDS = {
    stat.S_IFDIR: "Is a directory",
    stat.S_IFLNK: "Is a symbolic link",
    stat.S_IFIFO: "Is a FIFO",
    stat.S_IFSOCK: "Is a socket",
    stat.S_IFCHR: "Is a device",
    stat.S_IFBLK: "Is a device",
}


class HealthFile:
    """A file with a time in seconds of CLOCK_MONOTONIC, which all processes of a machine share, and the writer's pid.

    That clock is never stepped, and restarts with the machine. The file is replaced as a whole, so a probe never reads
    a part of it, and a link, a FIFO or another file in its place is replaced, never written to.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def claim(self) -> None:
        """Remove the file of an earlier worker. Raises OSError if the file can never be written.

        Does not raise for a full disk, which may have free space later, nor for another user's file in its place: any
        user of a shared /tmp could keep the worker from starting.
        """
        self._remove_old_drafts()
        try:
            draft = self._write(0.0)
        except OSError as exc:
            if exc.errno not in _FULL:
                raise
            return
        try:
            self._replace(draft)
        except OSError:
            if not self._is_of_another_user():
                raise
        self.remove()

    def touch(self, stamp: float, note: str = "") -> None:
        """Write the time at which the process could work: `stamp`, in seconds of time.monotonic(); and STANDBY, if so.

        Raises OSError, and leaves the previous file unchanged then.
        """
        self._replace(self._write(stamp, note))

    def remove(self) -> None:
        """Remove the file, because the worker takes no more tasks. Never raises: a file that stays becomes too old."""
        with suppress(OSError):
            os.unlink(self.path)

    def _write(self, stamp: float, note: str = "") -> str:
        """Return the path of a new file with this time; its name cannot be guessed."""
        draft = f"{self.path}.{os.urandom(8).hex()}.tmp"
        try:
            descriptor = os.open(draft, _WRITE_FLAGS, 0o644)
            try:
                os.write(descriptor, f"{stamp} {os.getpid()} {note}".rstrip().encode() + b"\n")
            finally:
                os.close(descriptor)
        except OSError as exc:
            self._discard(draft, exc)
            raise OSError(exc.errno, exc.strerror, self.path) from exc
        return draft

    def _replace(self, draft: str) -> None:
        try:
            os.replace(draft, self.path)
        except OSError as exc:
            self._discard(draft, exc)
            reason = "; the file in its place belongs to another user" if self._is_of_another_user() else ""
            raise OSError(exc.errno, f"{exc.strerror}{reason}", self.path) from exc

    def _discard(self, draft: str, exc: OSError) -> None:
        if exc.errno != errno.EEXIST:  # otherwise another process owns it
            with suppress(OSError):
                os.unlink(draft)

    def _is_of_another_user(self) -> bool:
        try:
            return os.lstat(self.path).st_uid != os.geteuid()
        except OSError:
            return False

    def _remove_old_drafts(self) -> None:
        """Remove this user's drafts of this file that remained after a crash between writing and renaming."""
        folder, name = os.path.split(self.path)
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if _is_draft(entry.name, name):
                    with suppress(OSError):
                        _unlink_old(entry.path)


def unhealthy_reason(
    path: str, max_age: float, clock: Callable[[], float] = time.monotonic, owner: int | None = None
) -> str | None:
    """Return the reason why the worker of this file may be unable to consume, in one line; None if it can consume.

    `owner` is the id of another user whose file is accepted. Never blocks on a FIFO.
    """
    try:
        line, refusal = _read(path, owner)
    except OSError as exc:
        return f"{path}: {exc.strerror}; the worker does not consume yet, or shuts down"
    stamp = _stamp_of(line)
    if refusal or stamp is None:
        return f"{path}: {refusal or 'not a health file'}"
    age = clock() - stamp
    if age < 0:
        return f"{path}: {-age:.1f} s in the future; it was written before the last start of this machine"
    if age > max_age:
        return f"{path}: {age:.1f} s old; the maximum is {max_age:g} s"
    return None


def is_standby(path: str, owner: int | None = None) -> bool:
    """Return True if this is the file of a beat that waits for the lock of its scheduler. Never raises OSError."""
    with suppress(OSError):
        line, refusal = _read(path, owner)
        return not refusal and line.split()[2:] == [STANDBY.encode()]
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 0 if all files are healthy, 1 otherwise, with a line on stderr for each that is not."""
    options = _parse(arguments)
    reasons = [unhealthy_reason(path, options.max_age, owner=options.owner) for path in options.files]
    for path, reason in zip(options.files, reasons, strict=True):
        if reason:
            print(reason, file=sys.stderr)
        elif is_standby(path, options.owner):
            print(f"{path}: standby; waits for the lock of the scheduler")
    return 1 if any(reasons) else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m celery_gossip.health",
        description="Check by its health file that a worker can consume (gossip_health_file), or that a beat ticks "
        "(gossip_beat_health_file). Exit code: 0 it can, 1 it cannot, 2 wrong usage.",
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="health file; of several, all must be healthy")
    parser.add_argument(
        "--max-age",
        type=_seconds,
        default=MAX_AGE,
        metavar="SECONDS",
        help="maximum age of the file; default %(default)g",
    )
    parser.add_argument(
        "--owner",
        type=_user,
        metavar="USER",
        help="name or id of a user whose file is accepted. By default, a file in a folder that other users can write "
        "to must belong to the user of this command or to root",
    )
    return parser.parse_args(arguments)


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"expected a finite number of seconds above 0, got {text!r}")


def _user(name: str) -> int:
    if name.isascii() and name.isdigit():
        return int(name)
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"expected the name or the id of a user, got {name!r}") from None


def _read(path: str, owner: int | None) -> tuple[bytes, str]:
    """Return the beginning of the file, and the reason why it is not accepted. Raises OSError."""
    refusal = _refusal(os.lstat(path), path, owner)  # before it is opened, because opening a device has effects
    if refusal:
        return b"", refusal
    descriptor = os.open(path, _READ_FLAGS)
    try:
        refusal = _refusal(os.fstat(descriptor), path, owner)
        return (b"", refusal) if refusal else (os.read(descriptor, _MAX_LINE + 1), "")
    finally:
        os.close(descriptor)


def _refusal(found: os.stat_result, path: str, owner: int | None) -> str:
    if not stat.S_ISREG(found.st_mode):
        return f"{_KINDS.get(stat.S_IFMT(found.st_mode), 'Is of an unknown type')}, not a regular file"
    if found.st_nlink > 1:  # 0 if the worker has just replaced it
        return "has more than one hard link; it may be another file that a user has linked to this name"
    if found.st_uid not in (0, os.geteuid(), owner) and not _is_private(path, found.st_uid):
        return f"belongs to the user with the id {found.st_uid}; see --owner"
    return "not a health file" if found.st_size > _MAX_LINE else ""


def _is_private(path: str, owner: int) -> bool:
    """Return True if only this owner and root can create files in its folder."""
    folder = os.stat(os.path.dirname(path) or ".")
    return folder.st_uid in (0, owner) and not folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_draft(name: str, of: str) -> bool:
    middle = name[len(of) + 1 : -len(".tmp")]
    return name == f"{of}.{middle}.tmp" and len(middle) == 16 and not set(middle) - set("0123456789abcdef")


def _unlink_old(draft: str) -> None:
    found = os.lstat(draft)
    is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
    if is_ours and time.time() - found.st_mtime > _MAX_DRAFT_AGE:
        os.unlink(draft)


def _stamp_of(line: bytes) -> float | None:
    """Return the time in a complete and valid line; None for any other line."""
    with suppress(ValueError):
        stamp, pid, *note = line.split()
        if (
            note in ([], [STANDBY.encode()])
            and line.endswith(b"\n")
            and int(pid) > 0
            and 0 <= float(stamp) < float("inf")
        ):
            return float(stamp)
    return None


if __name__ == "__main__":
    sys.exit(main())
