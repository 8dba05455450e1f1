"""Figures: how tasks fared, as rows tell it: rounded, so that what is the same looks the same. Pure."""

from typing import Any

from celery_gossip.throughput import Distribution, Throughput
from celery_gossip.web.row import Step, Timing

__all__ = ["fared", "per_second", "share", "step"]


def fared(pace: Throughput) -> dict[str, Any]:
    """What every row tells of how tasks fare."""
    return {
        "per_second": per_second(pace),
        "failure_rate": share(pace.failure_rate),
        "runtime": _timing(pace.runtime),
        "wait": _timing(pace.wait),
    }


def step(one: Throughput, size: float, start: float) -> Step:
    """A chart's point; `start` in Unix seconds."""
    return Step(
        size=size,
        start=start,
        seconds=round(one.seconds, 1),
        received=one.received,
        succeeded=one.succeeded,
        failed=one.failed,
        retried=one.retried,
        wait_p50=_seconds(one.wait.p50),
        wait_p95=_seconds(one.wait.p95),
        run_p50=_seconds(one.runtime.p50),
        run_p95=_seconds(one.runtime.p95),
    )


def _timing(told: Distribution) -> Timing:
    return Timing(_seconds(told.p50), _seconds(told.p95), _seconds(told.p99))


def per_second(pace: Throughput) -> float:
    return round(pace.per_second(pace.ended), 2)


def share(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)


def _seconds(value: float | None) -> float | None:
    """To three digits: all that is known of it."""
    return None if value is None else float(f"{value:.3g}")
