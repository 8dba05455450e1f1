"""Rates: throughput as fields of rows, rounded so that equal figures produce equal rows. Pure."""

from typing import Any

from celery_gossip.cluster.throughput import Distribution, Throughput
from celery_gossip.web.schema import Step, Timing

__all__ = ["per_second", "rounded_share", "step", "throughput_fields"]


def throughput_fields(throughput: Throughput) -> dict[str, Any]:
    """Return the fields that the rows of queues, tasks and totals have in common."""
    return {
        "per_second": per_second(throughput),
        "failure_rate": rounded_share(throughput.failure_rate),
        "runtime": _timing(throughput.runtime),
        "wait": _timing(throughput.wait),
    }


def step(throughput: Throughput, size: float, start: float) -> Step:
    """Return a point of a chart; `start` in Unix seconds."""
    return Step(
        size=size,
        start=start,
        seconds=round(throughput.seconds, 1),
        received=throughput.received,
        succeeded=throughput.succeeded,
        failed=throughput.failed,
        retried=throughput.retried,
        wait_p50=_seconds(throughput.wait.p50),
        wait_p95=_seconds(throughput.wait.p95),
        run_p50=_seconds(throughput.runtime.p50),
        run_p95=_seconds(throughput.runtime.p95),
    )


def per_second(throughput: Throughput) -> float:
    """Return the tasks that ended per second."""
    return round(throughput.per_second(throughput.ended), 2)


def rounded_share(share: float | None) -> float | None:
    """Return a share from 0 to 1, rounded to 0.01 %."""
    return None if share is None else round(share, 4)


def _timing(distribution: Distribution) -> Timing:
    return Timing(_seconds(distribution.p50), _seconds(distribution.p95), _seconds(distribution.p99))


def _seconds(value: float | None) -> float | None:
    """Round to three significant digits, the precision of the histogram."""
    return None if value is None else float(f"{value:.3g}")
