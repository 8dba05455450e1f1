"""ExporterOptions: contents of a scrape and allowed Host headers. Validated once, immutable, read on any thread."""

from dataclasses import dataclass
from math import inf, isfinite

from prometheus_client import Histogram

from celery_gossip.errors import InvalidOption
from celery_gossip.hosts import validate_hosts

__all__ = ["ExporterOptions", "parse_buckets"]

_MAX_BUCKETS = 100
_DEFAULT_BUCKETS = tuple(bound for bound in Histogram.DEFAULT_BUCKETS if bound != inf)


@dataclass(frozen=True)
class ExporterOptions:
    """Validate the options on construction and raise InvalidOption, so that every instance is valid."""

    by_hostname: bool = True  #: False: sums over all workers, without the label `hostname`
    max_series: int = 100_000  #: time series of tasks in one scrape; series beyond this are left out and counted
    buckets: tuple[float, ...] = _DEFAULT_BUCKETS  #: upper bounds of the histograms in seconds, without +Inf
    hosts: tuple[str, ...] = ()  #: additional allowed Host headers, besides loopback and the bind address

    def __post_init__(self) -> None:
        validate_hosts(self.hosts)
        if self.max_series < 0:
            raise InvalidOption(f"max_series: expected a number of at least 0, got {self.max_series!r}")
        is_rising = all(low < high for low, high in zip((0.0, *self.buckets), self.buckets, strict=False))
        if not (is_rising and 0 < len(self.buckets) <= _MAX_BUCKETS and all(map(isfinite, self.buckets))):
            raise InvalidOption(
                f"buckets: expected 1 to {_MAX_BUCKETS} rising bounds above 0 in seconds, got {self.buckets!r}"
            )


def parse_buckets(text: str) -> tuple[float, ...]:
    """Parse `"0.1,1,10"`, with or without a final `+Inf`. Raise InvalidOption if a bound is not a number."""
    try:
        bounds = tuple(float(part) for part in text.split(","))
    except ValueError as exc:
        raise InvalidOption(f"buckets: expected seconds separated by commas, got {text!r}") from exc
    return bounds[:-1] if bounds[-1] == inf else bounds
