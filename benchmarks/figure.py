"""Quantiles of measured values. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Quantiles", "quantile", "quantiles"]


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of many values; NaN if there are none."""

    count: int
    least: float
    p50: float
    p95: float
    p99: float
    most: float

    def __str__(self) -> str:
        return f"p50 {self.p50:.3f}, p99 {self.p99:.3f}, max {self.most:.3f}"


def quantiles(figures: Iterable[float]) -> Quantiles:
    ordered = sorted(figures)
    return Quantiles(len(ordered), *(quantile(ordered, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that this share of the sorted values does not exceed."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
