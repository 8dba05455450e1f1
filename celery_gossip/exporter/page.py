"""Page: the exposition, rendered ahead of time by a thread of its own, so that a scrape finds it ready.

Rendering a large fleet takes longer than a scrape should; and however many ask, the listener is asked by one.
"""

import gzip
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from celery_gossip.log import LimitedLogger

__all__ = ["Page", "Sheet", "pause_after"]

_EVERY = 1.0  #: seconds between two renderings, at least
_SHARE = 0.15  #: of one core that rendering takes, at most
_CLOSE_TIMEOUT = 5.0  #: seconds


@dataclass(frozen=True)
class Sheet:
    """One rendering; both bodies are empty where it failed."""

    body: bytes = b""
    gzipped: bytes = b""


class Page:
    """A context manager: entering renders for the first time and starts the thread. `sheet` may be read on any thread.

    `render` gives the exposition; `note` takes the seconds that it took.
    """

    def __init__(
        self,
        render: Callable[[], bytes],
        note: Callable[[float], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.sheet = Sheet()  #: the latest
        self._render = render
        self._note = note
        self._clock = clock
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="celery-gossip-page", daemon=True)
        self._took = 0.0
        self._log = LimitedLogger()

    def __enter__(self) -> "Page":
        self.refresh()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(_CLOSE_TIMEOUT)

    def refresh(self) -> None:
        """Render now. A failure is logged, and leaves an empty sheet rather than one that grows old."""
        began = self._clock()
        try:
            body = self._render()
            self.sheet = Sheet(body, gzip.compress(body, compresslevel=1))
        except Exception as exc:
            self.sheet = Sheet()
            self._log.error("render", "celery-gossip: the metrics cannot be rendered: %r", exc, exc_info=exc)
        self._took = self._clock() - began
        self._note(self._took)

    def _run(self) -> None:
        while not self._closing.wait(pause_after(self._took)):
            self.refresh()


def pause_after(took: float) -> float:
    """Seconds to wait after a rendering of so many seconds."""
    return max(_EVERY - took, took * (1 / _SHARE - 1))
