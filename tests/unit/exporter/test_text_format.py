"""The exposition is byte for byte the one that the official client writes."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Metric, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    SummaryMetricFamily,
    UntypedMetricFamily,
)

from benchmarks.synthetic import _HOSTILE
from celery_gossip.cluster.throughput import Distribution, Throughput
from celery_gossip.exporter.buckets import BucketMapping
from celery_gossip.exporter.family import Family
from celery_gossip.exporter.task import task_families
from celery_gossip.exporter.text_format import render_text


class Fixed:
    def __init__(self, *metrics: Metric) -> None:
        self.metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self.metrics


def assert_as_the_client(*metrics: Metric) -> None:
    registry = CollectorRegistry()
    registry.register(Fixed(*metrics))
    assert render_text(metrics).decode() == generate_latest(registry).decode()


def test_names_that_break_a_display_are_escaped_as_the_client_does() -> None:
    gauge = GaugeMetricFamily("a_gauge", "With a \\ and a\nline.", labels=("hostname", "b", "a"))
    for number, name in enumerate((*_HOSTILE, "", 'a"b\\n\\\nc')):
        gauge.add_metric((name, name[::-1], name), number)
    assert_as_the_client(gauge)


@pytest.mark.parametrize(
    "value", [0, 1, 0.1, 1e6, 1234567.0, 1e21, -5.5, 1e-7, True, float("inf"), float("-inf"), float("nan")]
)
def test_numbers_are_written_as_the_client_does(value: float) -> None:
    gauge, counter = GaugeMetricFamily("a", "A gauge."), CounterMetricFamily("b_total", "A counter.", labels=("x",))
    gauge.add_metric((), value)
    counter.add_metric(("y",), value)
    assert_as_the_client(gauge, counter)


def test_a_family_without_samples_still_has_its_header() -> None:
    assert_as_the_client(Family("nothing_total", "None.", ("x",)).counter(), Family("none", "None.").gauge())


def test_other_types_of_families_are_written_by_the_client() -> None:
    assert_as_the_client(
        InfoMetricFamily("about", "What it is.", {"version": "1"}),
        SummaryMetricFamily("sum", "A summary.", count_value=3, sum_value=4.5),
        UntypedMetricFamily("some", "Of some type.", value=1.0),
    )


def test_histograms_have_the_samples_that_the_clients_own_method_adds() -> None:
    mapping, key = BucketMapping((0.1, 1.0, 10.0)), ("celery@web1", "mail", "send")
    total = Throughput(seconds=1.0, runtime=Distribution(3, 4.5, {200: 1, 300: 2}), wait=Distribution(1, 0.5, {100: 1}))
    histograms = [
        family for family in task_families(((key, total),), mapping, by_hostname=True) if family.type == "histogram"
    ]
    for histogram, distribution in zip(histograms, (total.runtime, total.wait), strict=True):
        expected = HistogramMetricFamily(histogram.name, "", labels=("hostname", "queue_name", "name"))
        expected.add_metric(key, mapping.cumulative(distribution), distribution.total)
        assert histogram.samples == expected.samples


def test_a_whole_registry_is_written_as_the_client_does() -> None:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = list(registry.collect())
    assert metrics, "this system has no /proc"
    assert_as_the_client(*metrics)
