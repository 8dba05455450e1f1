"""Write metric families in Prometheus' text format: byte for byte as the client does, in a third of the time.

Runs on the thread that renders. Families other than gauges, counters and histograms are passed to the client.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

__all__ = ["render_text"]

_HEADER_SUFFIXES = {
    "counter": "_total",
    "gauge": "",
    "histogram": "",
}  #: metric type → suffix of the name in HELP and TYPE


def render_text(metrics: Iterable[Metric]) -> bytes:
    """Return the metrics in the text format, encoded in UTF-8."""
    writer = _Writer()
    return "".join(text for metric in metrics for text in writer.lines(metric)).encode()


class _Writer:
    """Format the metrics of one rendering. Labels and numbers repeat often, so each is formatted once."""

    def __init__(self) -> None:
        self._columns: dict[str, _LabelPairs] = {}
        self._orders: dict[tuple[str, ...], list[tuple[str, _LabelPairs]]] = {}
        self._numbers = _Numbers()

    def lines(self, metric: Metric) -> Iterator[str]:
        if metric.type not in _HEADER_SUFFIXES:
            yield generate_latest(_SingleMetricCollector(metric)).decode()
            return
        name = metric.name + _HEADER_SUFFIXES[metric.type]
        text = metric.documentation.replace("\\", r"\\").replace("\n", r"\n")
        yield f"# HELP {name} {text}\n# TYPE {name} {metric.type}\n"
        yield from map(self._line, metric.samples)

    def _line(self, sample: Sample) -> str:
        name, labels, value = sample[:3]
        if not labels:
            return f"{name} {self._numbers[value]}\n"
        order = self._orders.get(names := tuple(labels)) or self._order_of(names)
        pairs = ",".join([column[labels[label]] for label, column in order])
        return f"{name}{{{pairs}}} {self._numbers[value]}\n"

    def _order_of(self, names: tuple[str, ...]) -> "list[tuple[str, _LabelPairs]]":
        """Return the labels sorted by name, as the client writes them."""
        order = [(name, self._columns.setdefault(name, _LabelPairs(name))) for name in sorted(names)]
        self._orders[names] = order
        return order


class _LabelPairs(dict[str, str]):
    """`{value: 'name="value"'}` of one label; a missing value is formatted when it is looked up."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def __missing__(self, value: str) -> str:
        escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        pair = self[value] = f'{self._name}="{escaped}"'
        return pair


class _Numbers(dict[float, str]):
    """`{value: text}`; a missing value is formatted when it is looked up."""

    def __missing__(self, value: float) -> str:
        text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
        self[value] = text
        return text


@dataclass(frozen=True)
class _SingleMetricCollector(Collector):
    metric: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric
