"""LivenessReporter: keeps the health file up to date while the worker can consume and run tasks. Owned by the step.

update() is called on the event loop at each tick. While the loop is blocked, the file is not updated and grows old.
"""

import time
from collections.abc import Callable

from celery_gossip.errors import InvalidOption
from celery_gossip.health import HealthFile
from celery_gossip.worker._compat import expand_node_format
from celery_gossip.worker.probe import Probe

__all__ = ["LivenessReporter", "open_health_file"]


class LivenessReporter:
    """Decides at each tick whether the health file is updated; does nothing without a file.

    The time of a tick is written at the following tick. By then it is known whether the broker has answered in between.
    So if the broker hangs right after a tick, the file still becomes too old within its limit, counted from the loss.
    """

    def __init__(
        self,
        file: HealthFile | None,
        probe: Probe,
        is_broker_unconfirmed: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        is_pool_dead: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_broker_unconfirmed`: True while the broker of the tasks is unreachable or has not answered yet.

        `is_pool_dead`: True while the pool starts no task although tasks are reserved for it.
        """
        self._file = file
        self._probe = probe
        self._is_broker_unconfirmed = is_broker_unconfirmed
        self._is_pool_dead = is_pool_dead
        self._clock = clock
        self._consuming_at: float | None = None  # time of the last tick, if the worker could consume then
        self._is_stopped = False

    def update(self) -> None:
        """Update the file at a tick, before the tick submits gossip to the sender. Raises OSError if that fails."""
        if self._file is None or self._is_stopped:
            return
        previous, self._consuming_at = self._consuming_at, None
        if self._probe.is_shutting_down:
            self._file.remove()
        elif self._probe.is_consuming and not self._is_broker_unconfirmed() and not self._is_pool_dead():
            self._consuming_at = self._clock()
            if previous is not None:
                self._file.touch(previous)

    def stop(self) -> None:
        """Remove the file when the worker shuts down; no later update() creates it again. Never raises."""
        self._is_stopped = True
        if self._file is not None:
            self._file.remove()


def open_health_file(path: str | None, hostname: str) -> HealthFile | None:
    """Return the health file of the worker with this node name; None without a path.

    `%n`, `%h` and `%d` in the path are expanded as in Celery's --pidfile. Raises InvalidOption if the file cannot be
    written.
    """
    if path is None:
        return None
    try:
        file = HealthFile(expand_node_format(path, hostname))
        file.claim()
    except (OSError, ValueError) as exc:
        why = getattr(exc, "strerror", None) or str(exc).partition("\n")[0]
        expected = "a file in a folder that exists and is writable, with no formats but %n, %h, %d and %%"
        raise InvalidOption(f"gossip_health_file: expected {expected}, got {path!r} ({why})") from exc
    return file
