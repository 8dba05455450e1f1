"""Monitoring: the handlers of /metrics and /healthz. Called on the server's event loop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.responses import PlainTextResponse, Response

from celery_gossip.web.broadcaster import Broadcaster
from celery_gossip.web.metrics_page import MetricsPage
from celery_gossip.web.operation import TEXT, Call, Refused
from celery_gossip.web.parameter import METRICS_SOURCE

__all__ = ["METRICS_MEDIA_TYPE", "Monitoring"]

METRICS_MEDIA_TYPE = f"{TEXT}; version=0.0.4; charset=utf-8"
_NO_STORE = {"Cache-Control": "no-store"}


@dataclass
class Monitoring:
    """Handlers for Prometheus and for load balancers."""

    broadcaster: Broadcaster
    metrics: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)  #: renders the metrics of a source

    def __post_init__(self) -> None:
        self._pages = MetricsPage(self.metrics)

    def close(self) -> None:
        """End the rendering thread."""
        self._pages.close()

    async def render_metrics(self, call: Call) -> Response:
        source = call[METRICS_SOURCE]
        if not self.metrics:
            raise Refused(501, 'no metrics: pip install "celery-gossip[prometheus]"')
        if source not in self.metrics:
            raise Refused(404, f"{METRICS_SOURCE.name}: no watched app has this number")
        body = await self._pages.body(source)
        return Response(body, headers=_NO_STORE, media_type=METRICS_MEDIA_TYPE)

    async def check_health(self, call: Call) -> Response:
        snapshots = (await self.broadcaster.snapshots()).values()
        if any(not one.is_connected or one.view.isolated_since is not None for one in snapshots):
            raise Refused(503, "no reports are received from a broker: not connected, or isolated")
        return PlainTextResponse("ok\n", headers=_NO_STORE)
