"""Pulse: keeps the health file fresh while the worker can really consume. Owned by the step.

`beat` is called on the event loop in each round, so a loop that is blocked lets the file grow old.
"""

import time
from collections.abc import Callable

from celery.utils.nodenames import node_format

from celery_gossip.errors import InvalidOption
from celery_gossip.health import HealthFile
from celery_gossip.probe import Probe

__all__ = ["Pulse", "open_health_file"]


class Pulse:
    """Decides whether the health file may be touched; does nothing without a file.

    It writes a round's time in the next round, when it is known whether the broker has answered in between: so a broker
    that hangs right after a round, too, makes the file too old within its limit, counted from the loss.
    """

    def __init__(
        self,
        file: HealthFile | None,
        probe: Probe,
        is_in_doubt: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_in_doubt`: whether the broker of the tasks is known to be gone, or has yet to answer."""
        self._file = file
        self._probe = probe
        self._is_in_doubt = is_in_doubt
        self._clock = clock
        self._beat_at: float | None = None
        self._is_over = False

    def beat(self) -> None:
        """A round on the event loop, before it hands anything over to the sender. Raises OSError of a bad disk."""
        if self._file is None or self._is_over:
            return
        before, self._beat_at = self._beat_at, None
        if self._probe.is_leaving:
            self._file.remove()
        elif self._probe.is_consuming and not self._is_in_doubt():
            self._beat_at = self._clock()
            if before is not None:
                self._file.touch(before)

    def end(self) -> None:
        """The worker leaves: the file goes at once, and no beat brings it back. Never raises."""
        self._is_over = True
        if self._file is not None:
            self._file.remove()


def open_health_file(path: str | None, hostname: str) -> HealthFile | None:
    """The health file of the worker with this node name; `%n`, `%h` and `%d` are expanded as in Celery's --pidfile.

    Raises InvalidOption where no such file can be written.
    """
    if path is None:
        return None
    try:
        file = HealthFile(node_format(path, hostname))
        file.claim()
    except (OSError, ValueError) as exc:
        why = getattr(exc, "strerror", None) or str(exc).partition("\n")[0]
        expected = "a file in a folder that exists and is writable, with no formats but %n, %h, %d and %%"
        raise InvalidOption(f"gossip_health_file: expected {expected}, got {path!r} ({why})") from exc
    return file
