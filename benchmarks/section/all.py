"""Every section of the price list, in the order of the page. Read by the runner."""

from benchmarks.price.result import Section
from benchmarks.section import (
    broker,
    fault,
    fleet,
    freshness,
    health,
    improvement,
    loop,
    monitor,
    paint,
    probe,
    scrape,
    viewer,
    worker,
)

__all__ = ["SECTIONS"]

SECTIONS: list[Section] = [
    worker.SECTION,
    probe.SECTION,
    loop.SECTION,
    broker.SECTION,
    monitor.SECTION,
    freshness.SECTION,
    fleet.SECTION,
    scrape.SECTION,
    viewer.SECTION,
    paint.SECTION,
    health.SECTION,
    fault.SECTION,
    improvement.SECTION,
]
