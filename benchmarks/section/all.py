"""List of all sections, in the order of the page. Read by the runner."""

from benchmarks.report.result import Section
from benchmarks.section import (
    broker,
    defence,
    diagnosis,
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
    defence.SECTION,
    diagnosis.SECTION,
    improvement.SECTION,
]
