"""A real Prometheus scrapes the exporter: what dashboards and alerts ask for is there."""

import re
import time
from collections.abc import Iterator

import pytest

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.view import View
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.exporter import Exporter, ExporterOptions
from celery_gossip.wire.histogram import bucket_index
from celery_gossip.wire.messages import Echo, Histogram, SentCount, SentReport, TaskSeries
from tests.support import eventually
from tests.support.grafana import DASHBOARD, DOCS, expressions
from tests.support.prometheus import Prometheus, scraping
from tests.support.published import Query, queries
from tests.support.scrape import ClusterSource
from tests.unit.build import a_check, a_gossip

MANUAL = (DOCS / "reference" / "metrics.md").read_text()
AUTOSCALING = (DOCS / "how-to" / "autoscaling.md").read_text()
VARIABLES = {
    "$__rate_interval": "10s",
    "$__range": "1h",
    "$job": "celery-exporter",
    "$queue_name": "default",
    "$queue": ".*",
    "$task": "shop.mail",
    "$cluster": "c1",
    "$namespace": "n1",
}


class BusySource(ClusterSource):
    """A worker whose every figure grows as often as it is looked at, and one that is lost."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        super().__init__(Cluster(), (Finding("all_paused", "warning", "news", self._began, "Nobody takes it."),))
        self.cluster.statistics.start(self._began - 1.0)
        self.cluster.apply_gossip(a_gossip(hostname="celery@dead"), self._began - 100.0)
        self.cluster.expire_silent_workers(self._began)
        self._seq = 0

    def view(self) -> View:
        now = time.monotonic()
        self._seq += 1
        count = int((now - self._began) * 20) + 1
        timing = Histogram(count=count, total=count * 0.1, buckets=((bucket_index(0.1), count, count),))
        fates = dict.fromkeys(("received", "started", "succeeded", "retried", "revoked", "rejected"), count)
        series = TaskSeries(
            queue="default",
            task="shop.mail",
            age=0.0,
            failed={"ValueError": count},
            runtime=timing,
            wait=timing,
            **fates,
        )
        checks = (a_check(active_count=1, active=("id",), reserved=1), a_check("news", paused=True))
        self.cluster.apply_gossip(a_gossip(seq=self._seq, active=1, reserved=1, checks=checks, series=(series,)), now)
        sent = SentReport(
            app="shop", period=0.0, names=("default", "shop.mail"), counts=(SentCount(0, 1, count, 0, 0.0),)
        )
        self.cluster.apply_sent(Echo(echo="0" * 16, number=self._seq, sent=sent), now)
        self.cluster.set_queue_lengths({"default": 200}, now)
        return super().view()


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    with Exporter(BusySource(), ExporterOptions(), port=0) as exporter:
        target = exporter.url.removeprefix("http://").removesuffix("/metrics")
        with scraping(target) as prometheus:

            def has_grown() -> None:
                assert prometheus.query("increase(celery_task_received_total[10s]) > 20")

            eventually(has_grown, timeout=30)
            yield prometheus


def filled(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


@pytest.mark.parametrize("query", tuple(queries()), ids=lambda query: f"{query.dashboard}-{query.panel}")
def test_a_published_query_finds_its_series(prometheus: Prometheus, query: Query) -> None:
    found = prometheus.query(filled(query.expression))
    assert found, query.expression


def test_the_table_in_the_manual_is_that_of_the_queries() -> None:
    assert [query.row for query in queries() if query.row not in MANUAL] == []


@pytest.mark.parametrize(("queue", "tasks"), [("default", 1 + 1 + 200), ("nobody knows it", 0)])
def test_a_scaler_always_gets_one_figure(prometheus: Prometheus, queue: str, tasks: int) -> None:
    (query,) = re.findall(r"query: \|\n(.*?)\n +threshold:", AUTOSCALING, re.S)
    (found,) = prometheus.query(query.replace('"mail"', f'"{queue}"'))
    assert float(found["value"][1]) == tasks


@pytest.mark.parametrize("expression", sorted(expressions(DASHBOARD)))
def test_a_query_of_our_own_dashboard_finds_its_series(prometheus: Prometheus, expression: str) -> None:
    assert prometheus.query(filled(expression)), expression


def test_a_scrape_takes_less_than_fifty_milliseconds(prometheus: Prometheus) -> None:
    (took,) = prometheus.query("min_over_time(scrape_duration_seconds[1m])")
    assert float(took["value"][1]) < 0.05
