"""A scrape, read by the client's own parser; and a source that a test fills."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.view import View
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.exporter import ExporterOptions, GossipCollector
from celery_gossip.exporter.snapshot import Source


class ClusterSource:
    """What a Listener offers to the exporter, around a Cluster that the test feeds."""

    def __init__(self, cluster: Cluster, findings: tuple[Finding, ...] = ()) -> None:
        self.cluster = cluster
        self.findings = findings
        self.rejected: Counter[str] = Counter()
        self.connected_at: float | None = 0.0

    def view(self) -> View:
        return self.cluster.view()


class Scrape:
    """The samples of an exposition; an AssertionError where one is there twice."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.types: dict[str, str] = {}
        self._samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text):
            self.types[family.name] = family.type
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self._samples, key
                self._samples[key] = sample.value

    def __len__(self) -> int:
        return len(self._samples)

    def of(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """`(labels, value)` of each sample of this name."""
        for (sample, labels), value in self._samples.items():
            if sample == name:
                yield dict(labels), value

    def all(self, name: str, /, **labels: str) -> list[float]:
        """The values that have these labels, whatever others they have."""
        return [value for had, value in self.of(name) if labels.items() <= had.items()]

    def one(self, name: str, /, **labels: str) -> float:
        """The only one of them."""
        found = self.all(name, **labels)
        assert len(found) == 1, (name, labels, found)
        return found[0]

    def names(self) -> set[str]:
        return {name for name, _ in self._samples}

    def values_of(self, label: str) -> set[str]:
        """Of any sample."""
        return {dict(labels)[label] for _, labels in self._samples if label in dict(labels)}


def scraped(source: Source, options: ExporterOptions | None = None) -> Scrape:
    registry = CollectorRegistry()
    registry.register(GossipCollector(source, options))
    return Scrape(generate_latest(registry).decode())
