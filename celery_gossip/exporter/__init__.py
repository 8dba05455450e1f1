"""`celery gossip exporter`: what a listener knows, for Prometheus. Needs prometheus_client, the extra `prometheus`."""

import gc
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from queue import SimpleQueue

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.registry import Collector

from celery_gossip.exporter import collector
from celery_gossip.exporter.collector import GossipCollector
from celery_gossip.exporter.family import Family
from celery_gossip.exporter.option import ExporterOptions, parse_buckets
from celery_gossip.exporter.page import Page
from celery_gossip.exporter.reading import Source
from celery_gossip.exporter.server import Server
from celery_gossip.exporter.text import rendered
from celery_gossip.foreground import handled, switching

__all__ = ["FAMILIES", "Exporter", "ExporterOptions", "GossipCollector", "Source", "exposition", "parse_buckets"]

_SWITCH_INTERVAL = 0.0005  #: seconds for which rendering may hold up a scrape and the listener at a time
_RENDER = Family("celery_gossip_exporter_render_seconds", "Seconds that the latest rendering but one took.")

FAMILIES = (*collector.FAMILIES, _RENDER)


class Exporter:
    """A context manager that serves the metrics of a source; `url` is where.

    The constructor binds, and raises OSError where it cannot. Port 0 takes a free one. For a process of its own: while
    it serves, the interpreter switches threads more often.
    """

    def __init__(self, source: Source, options: ExporterOptions, bind: str = "127.0.0.1", port: int = 9808) -> None:
        registry = CollectorRegistry()
        registry.register(GossipCollector(source, options))
        ProcessCollector(registry=registry)
        rendering = _Rendering()
        registry.register(rendering)
        self._page = Page(partial(_render, registry), rendering.note)
        self._server = Server(
            bind, port, sheet=lambda: self._page.sheet, is_healthy=lambda: source.cluster.isolated_since is None
        )
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        return f"{self._server.url}/metrics"

    def __enter__(self) -> "Exporter":
        self._stack.enter_context(switching(_SWITCH_INTERVAL))
        self._stack.enter_context(self._page)
        self._stack.enter_context(self._server)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait(self) -> None:
        """Block until SIGINT or SIGTERM; on the main thread."""
        stopped: SimpleQueue[int] = SimpleQueue()  # its put() is safe in a signal handler
        with handled(lambda number, _: stopped.put(number)):
            stopped.get()


def exposition(source: Source, options: ExporterOptions | None = None) -> bytes:
    """What a scrape of this moment is, for a server of somebody else's; takes its time with many series."""
    registry = CollectorRegistry()
    registry.register(GossipCollector(source, options))
    return _render(registry)


def _render(registry: CollectorRegistry) -> bytes:
    """Without garbage collections: they would find nothing in all these samples, and hold up every thread meanwhile."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return rendered(registry.collect())
    finally:
        if was_enabled:
            gc.enable()


class _Rendering(Collector):
    """How long rendering took. No Gauge: in an environment made for several processes that would write files."""

    def __init__(self) -> None:
        self._took = 0.0

    def note(self, took: float) -> None:
        self._took = took

    def collect(self) -> Iterator[Metric]:
        seconds = _RENDER.gauge()
        seconds.add_metric((), self._took)
        yield seconds
