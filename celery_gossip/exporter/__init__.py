"""`celery gossip exporter`: Prometheus metrics from a listener. Needs prometheus_client, the extra `prometheus`."""

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
from celery_gossip.exporter.render_cache import RenderCache
from celery_gossip.exporter.server import Server
from celery_gossip.exporter.snapshot import Source
from celery_gossip.exporter.text_format import render_text
from celery_gossip.process import on_exit_signal, switch_interval

__all__ = ["FAMILIES", "Exporter", "ExporterOptions", "GossipCollector", "Source", "parse_buckets", "render_exposition"]

_SWITCH_INTERVAL = 0.0005  #: longest time in seconds that rendering keeps the GIL from the server and the listener
_RENDER_SECONDS = Family("celery_gossip_exporter_render_seconds", "Seconds that the previous rendering took.")

FAMILIES = (*collector.FAMILIES, _RENDER_SECONDS)


class Exporter:
    """Serve the metrics of a source over HTTP while the context is entered; `url` is the address of the metrics.

    The constructor binds the port and raises OSError if that fails. Port 0 selects a free port. Intended for a process
    of its own: while it serves, it lowers the interpreter's switch interval.
    """

    def __init__(self, source: Source, options: ExporterOptions, bind: str = "127.0.0.1", port: int = 9808) -> None:
        registry = CollectorRegistry()
        registry.register(GossipCollector(source, options))
        ProcessCollector(registry=registry)
        render_seconds = _RenderSecondsCollector()
        registry.register(render_seconds)
        self._cache = RenderCache(partial(_render, registry), render_seconds.set)
        self._server = Server(
            (bind, port),
            get_exposition=lambda: self._cache.exposition,
            is_healthy=lambda: _is_receiving(source),
            hosts=options.hosts,
        )
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        return f"{self._server.url}/metrics"

    def __enter__(self) -> "Exporter":
        self._stack.enter_context(switch_interval(_SWITCH_INTERVAL))
        self._stack.enter_context(self._cache)
        self._stack.enter_context(self._server)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait(self) -> None:
        """Block until SIGINT or SIGTERM arrives. Call on the main thread."""
        stopped: SimpleQueue[int] = SimpleQueue()  # its put() may be called in a signal handler
        with on_exit_signal(lambda number, _: stopped.put(number)):
            stopped.get()


def render_exposition(source: Source, options: ExporterOptions | None = None) -> bytes:
    """Return the current metrics in the text format, for an HTTP server of the caller. Slow with many series."""
    registry = CollectorRegistry()
    registry.register(GossipCollector(source, options))
    return _render(registry)


def _is_receiving(source: Source) -> bool:
    return source.connected_at is not None and source.cluster.isolated_since is None


def _render(registry: CollectorRegistry) -> bytes:
    """Render all metrics with the cyclic garbage collector off.

    Samples form no cycles, so a collection would free nothing and would stop all threads while it runs.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return render_text(registry.collect())
    finally:
        if was_enabled:
            gc.enable()


class _RenderSecondsCollector(Collector):
    """Export the duration of the last rendering.

    A Gauge would write files where `PROMETHEUS_MULTIPROC_DIR` is set.
    """

    def __init__(self) -> None:
        self._seconds = 0.0

    def set(self, seconds: float) -> None:
        self._seconds = seconds

    def collect(self) -> Iterator[Metric]:
        gauge = _RENDER_SECONDS.gauge()
        gauge.add_metric((), self._seconds)
        yield gauge
