"""Family: name, help text and labels of one metric, and the client's family without samples. Pure."""

from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

__all__ = ["Family"]


@dataclass(frozen=True)
class Family:
    """Define one metric. docs/reference/metrics.md repeats name, labels and help text, and a test compares them."""

    name: str  #: ends in `_total` if it is a counter
    help: str
    labels: tuple[str, ...] = ()  #: `hostname` first, if the metric has it

    def gauge(self, *, by_hostname: bool = True) -> GaugeMetricFamily:
        return GaugeMetricFamily(self.name, self.help, labels=self.labels_for(by_hostname=by_hostname))

    def counter(self, *, by_hostname: bool = True) -> CounterMetricFamily:
        return CounterMetricFamily(self.name, self.help, labels=self.labels_for(by_hostname=by_hostname))

    def histogram(self, *, by_hostname: bool = True) -> HistogramMetricFamily:
        return HistogramMetricFamily(self.name, self.help, labels=self.labels_for(by_hostname=by_hostname))

    def labels_for(self, *, by_hostname: bool) -> tuple[str, ...]:
        return tuple(label for label in self.labels if by_hostname or label != "hostname")
