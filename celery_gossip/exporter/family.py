"""Family: the name, help, type and labels of one metric, and the client's own family that begins empty. Pure."""

from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

__all__ = ["Family"]


@dataclass(frozen=True)
class Family:
    """One metric as it is documented; a counter's name ends in `_total`."""

    name: str
    help: str
    labels: tuple[str, ...] = ()  #: `hostname` first, where there is one

    def gauge(self, *, by_hostname: bool = True) -> GaugeMetricFamily:
        return GaugeMetricFamily(self.name, self.help, labels=self.labels_for(by_hostname=by_hostname))

    def counter(self, *, by_hostname: bool = True) -> CounterMetricFamily:
        return CounterMetricFamily(self.name, self.help, labels=self.labels_for(by_hostname=by_hostname))

    def histogram(self, *, by_hostname: bool = True) -> HistogramMetricFamily:
        return HistogramMetricFamily(self.name, self.help, labels=self.labels_for(by_hostname=by_hostname))

    def labels_for(self, *, by_hostname: bool) -> tuple[str, ...]:
        return tuple(label for label in self.labels if by_hostname or label != "hostname")
