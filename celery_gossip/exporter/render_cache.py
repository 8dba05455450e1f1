"""RenderCache: the exposition, rendered in advance on a thread of its own, so that a scrape returns it at once.

Rendering a large fleet takes longer than a scrape should, and the number of scrapers must not multiply the work.
"""

import gzip
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from celery_gossip.errors import is_greenlet_exit
from celery_gossip.log import LimitedLogger

__all__ = ["Exposition", "RenderCache", "pause_after"]

_INTERVAL = 1.0  #: shortest time in seconds between the starts of two renderings
_CPU_SHARE = 0.15  #: largest share of one core that rendering takes
_CLOSE_TIMEOUT = 5.0  #: seconds


@dataclass(frozen=True)
class Exposition:
    """One rendering; both bodies are empty if it failed."""

    body: bytes = b""
    gzipped: bytes = b""


class RenderCache:
    """Render periodically while the context is entered. Entering it renders once and starts the thread.

    `render` returns the exposition; `on_rendered` receives the seconds that it took. `exposition` may be read on any
    thread.
    """

    def __init__(
        self,
        render: Callable[[], bytes],
        on_rendered: Callable[[float], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.exposition = Exposition()  #: the latest
        self._render = render
        self._on_rendered = on_rendered
        self._clock = clock
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="celery-gossip-render", daemon=True)
        self._render_seconds = 0.0
        self._log = LimitedLogger()

    def __enter__(self) -> "RenderCache":
        self.refresh()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(_CLOSE_TIMEOUT)

    def refresh(self) -> None:
        """Render now. If that fails, log it and empty the exposition: a scrape then fails instead of being stale."""
        started = self._clock()
        try:
            body = self._render()
            self.exposition = Exposition(body, gzip.compress(body, compresslevel=1))
        except BaseException as exc:  # if the thread ended, scrapes would return ever older values
            is_main = threading.current_thread() is threading.main_thread()
            if is_greenlet_exit(exc) or (is_main and not isinstance(exc, Exception)):
                raise
            self.exposition = Exposition()
            self._log.error("render", "celery-gossip: the metrics cannot be rendered: %r", exc, exc_info=exc)
        self._render_seconds = self._clock() - started
        self._on_rendered(self._render_seconds)

    def _run(self) -> None:
        while not self._closing.wait(pause_after(self._render_seconds)):
            self.refresh()


def pause_after(render_seconds: float) -> float:
    """Return the seconds to wait after a rendering that took `render_seconds`."""
    return max(_INTERVAL - render_seconds, render_seconds * (1 / _CPU_SHARE - 1))
