"""The health file: a line that says when its worker could last consume. Written by the worker, checked by a probe.

`python -m celery_gossip.health FILE --max-age 10` runs every few seconds beside the worker: this module stands on the
standard library alone. The worker writes on its event loop.
"""

import argparse
import errno
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

__all__ = ["HealthFile", "main", "reason_for_red"]

MAX_AGE = 10.0  #: seconds
_LONGEST_LINE = 100  #: bytes; what is longer is no health file
#: Whoever may write there, too, links it nowhere, and makes nobody wait for the reader of a FIFO.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class HealthFile:
    """Holds a stamp in seconds of CLOCK_MONOTONIC, which all processes of a machine share, and the writer's pid.

    That clock knows no steps, and begins anew with the machine. The file is replaced as a whole, so a probe never reads
    half of it.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._draft = f"{self.path}.tmp"

    def claim(self) -> None:
        """Remove what an earlier worker has left; raises OSError where the file can never be written.

        A disk that is full may have room later.
        """
        try:
            self.touch(0.0)
        except OSError as exc:
            if exc.errno not in _FULL:
                raise
        self.remove()

    def touch(self, stamp: float) -> None:
        """Say that the worker could consume at `stamp`, seconds of time.monotonic().

        Raises OSError, and then leaves nothing behind but what was there.
        """
        try:
            self._write(f"{stamp} {os.getpid()}\n".encode())
            os.replace(self._draft, self.path)
        except OSError as exc:
            with suppress(OSError):
                os.unlink(self._draft)
            exc.filename = exc.filename or self._draft  # a full disk names none
            raise

    def remove(self) -> None:
        """The worker takes no more tasks. Never raises: a file that cannot be removed grows old."""
        with suppress(OSError):
            os.unlink(self.path)

    def _write(self, line: bytes) -> None:
        descriptor = os.open(self._draft, _FLAGS, 0o644)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def reason_for_red(path: str, max_age: float, clock: Callable[[], float] = time.monotonic) -> str | None:
    """Why the worker of this file is not known to be able to consume, in one line; None when it is."""
    try:
        with open(path, "rb") as file:
            line = file.read(_LONGEST_LINE)
    except OSError as exc:
        return f"{path}: {exc.strerror}; its worker has not begun to consume, or is leaving"
    stamp = _stamp_of(line)
    if stamp is None:
        return f"{path}: not a health file"
    age = clock() - stamp
    if age < 0:
        return f"{path}: {-age:.1f} s in the future; it was written before this machine was started"
    if age > max_age:
        return f"{path}: {age:.1f} s old, and at most {max_age:g} s are allowed"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 for green, 1 for red with a line on stderr for each file that is."""
    options = _parse(arguments)
    reasons = [reason_for_red(path, options.max_age) for path in options.files]
    for reason in filter(None, reasons):
        print(reason, file=sys.stderr)
    return 1 if any(reasons) else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m celery_gossip.health",
        description="Whether a worker can consume, by the file that its option gossip_health_file names: "
        "exits with 0 when it can, 1 when it cannot, 2 when it was asked the wrong way.",
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="of several, all must be green")
    parser.add_argument("--max-age", type=_seconds, default=MAX_AGE, metavar="SECONDS", help="default %(default)g")
    return parser.parse_args(arguments)


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"expected a finite number of seconds above 0, got {text!r}")


def _stamp_of(line: bytes) -> float | None:
    """The stamp in a line that is one, whole, and finite."""
    with suppress(ValueError):
        stamp, pid = line.split()
        if line.endswith(b"\n") and int(pid) > 0 and 0 <= float(stamp) < float("inf"):
            return float(stamp)
    return None


if __name__ == "__main__":
    sys.exit(main())
