"""BeatLiveness: keeps the health file of a beat process up to date while its scheduler ticks. Owned by the BeatProcess.

Writes on a thread of its own, because beat sleeps for minutes between two ticks and the sender may wait for its broker.
The thread logs nothing, and works only while it holds its ForkLock.
"""

import re
import threading
import time
from collections.abc import Callable

from celery_gossip.beat.observer import Observer
from celery_gossip.errors import InvalidOption
from celery_gossip.fork_lock import ForkLock
from celery_gossip.health import STANDBY, HealthFile

__all__ = ["BeatLiveness", "open_health_file"]

_MAX_LATE = 2.0  #: seconds by which a tick may be late, or for which it may take
_LONGEST_INTERVAL = 5.0  #: seconds between two updates, half of the default limit of the probe
_END_TIMEOUT = 0.2  #: seconds for which the end of beat waits for the thread


class BeatLiveness:
    """Updates the file once per interval, from start() to stop(). A standby is alive, and its file says so."""

    def __init__(
        self,
        file: HealthFile,
        observer: Observer,
        is_standby: Callable[[], bool],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_standby`: True while the scheduler waits for its lock; called on the thread."""
        self._file = file
        self._observer = observer
        self._is_standby = is_standby
        self._interval = min(interval, _LONGEST_INTERVAL)
        self._clock = clock
        self._fork_lock = ForkLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.failures: list[Exception] = []  #: at most one, for beat's thread to report

    def start(self) -> None:
        """Start the thread. Raises RuntimeError if that is impossible."""
        self._fork_lock.acquire_at_forks()
        thread = threading.Thread(target=self._run, name="celery-gossip-beat-health", daemon=True)
        thread.start()
        self._thread = thread

    def stop(self) -> None:
        """End the thread, and remove the file. Never raises."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(_END_TIMEOUT)
        self._file.remove()

    def update(self) -> None:
        """Update the file if the scheduler ticks in time, or waits for its lock. Raises OSError."""
        now = self._clock()
        if self._observer.has_crashed:
            self._file.remove()
        elif not self._observer.ticks and self._is_standby():  # beat does not tick while it waits
            self._file.touch(now, STANDBY)
        elif self._observer.standing_still(now) <= _MAX_LATE:
            self._file.touch(now)

    def _run(self) -> None:
        while not self._ended.is_set():
            with self._fork_lock:
                try:
                    self.update()
                except Exception as exc:  # also of the scheduler's attributes
                    self.failures[:] = [exc]
            self._ended.wait(self._interval)


def open_health_file(path: str | None, hostname: str) -> HealthFile | None:
    """Return the health file of the beat with this node name; None without a path.

    In the path, `%n` is the part of the node name before `@`, `%h` the one after it, and `%d` its domain. Raises
    InvalidOption if the file cannot be written.
    """
    if path is None:
        return None
    name, _, host = hostname.rpartition("@")
    values = {"n": name, "h": host, "d": host.partition(".")[2], "%": "%"}
    try:
        file = HealthFile(re.sub(r"%(.?)", lambda found: values[found[1]], path))
        file.claim()
    except (OSError, ValueError, KeyError) as exc:
        why = getattr(exc, "strerror", None) or f"unknown format {exc}"
        expected = "a file in a folder that exists and is writable, with no formats but %n, %h, %d and %%"
        raise InvalidOption(f"gossip_beat_health_file: expected {expected}, got {path!r} ({why})") from exc
    return file
