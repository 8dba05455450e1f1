"""MetricsPage: the metrics that Prometheus scrapes from a dashboard, rendered on a thread of its own.

Concurrent scrapes share one rendering. Used on the server's event loop.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

__all__ = ["MetricsPage"]

_MIN_TTL = 1.0  #: seconds for which a rendering is served
_MAX_SHARE = 0.15  #: of one core, spent on rendering; as in celery_gossip.exporter.render_cache


@dataclass(frozen=True)
class _Page:
    body: bytes
    expires_at: float


@dataclass
class MetricsPage:
    """Pages by source; `renderers` render them."""

    renderers: Mapping[str, Callable[[], bytes]]
    clock: Callable[[], float] = time.monotonic
    executor: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "celery-gossip-metrics"))

    def __post_init__(self) -> None:
        self._pages: dict[str, _Page] = {}
        self._rendering: dict[str, asyncio.Task[bytes]] = {}

    def close(self) -> None:
        """End the thread after the rendering that is running."""
        self.executor.shutdown(cancel_futures=True)

    async def body(self, source: str) -> bytes:
        """Return the metrics of a source. Raises KeyError for an unknown source, and any exception of its renderer."""
        page = self._pages.get(source)
        if page is not None and self.clock() < page.expires_at:
            return page.body
        task = self._rendering.get(source)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = self._rendering[source] = asyncio.create_task(self._render(source, self.renderers[source]))
            task.add_done_callback(_retrieve)
        return await asyncio.shield(task)  # a client that disconnects does not cancel it for the others

    async def _render(self, source: str, render: Callable[[], bytes]) -> bytes:
        began = self.clock()
        try:
            body = await asyncio.get_running_loop().run_in_executor(self.executor, render)
            ended = self.clock()
            self._pages[source] = _Page(body, ended + max(_MIN_TTL, (ended - began) * (1 / _MAX_SHARE - 1)))
        finally:
            self._rendering.pop(source, None)
        return body


def _retrieve(task: "asyncio.Task[bytes]") -> None:
    """Retrieve the exception, or asyncio logs it if every client has disconnected."""
    if not task.cancelled():
        task.exception()
