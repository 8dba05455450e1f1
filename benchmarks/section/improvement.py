"""Hot paths that these benchmarks showed, before and after they were improved."""

import subprocess

import pytest

from benchmarks import hot_paths
from benchmarks.report.result import Result, Scale, Section, Table

__all__ = ["SECTION"]

#: Path → label. The paths are those of the older commit, which the comparison needs.
LABELS = {
    f"a round with 64 queues and 10,000 reserved tasks, deliveries of {transport}, ms": (
        f"a report with 64 queues and 10,000 reserved tasks, {transport}, ms"
    )
    for transport in ("redis", "rabbitmq")
} | {
    "the exporter's page, 300 workers with a task in each of 10 queues, ms": (
        "rendering of the exporter, 300 workers with a task in each of 10 queues, ms"
    )
}


def measure(scale: Scale) -> Result:
    try:
        changes = hot_paths.compare(turns=scale.pick(full=3, quick=1))
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"{hot_paths.BEFORE} is not available or no longer runs: {exc}")
    rows = tuple(
        (LABELS.get(change.path, change.path), change.before, change.after, f"{change.after / change.before:.2f}")
        for change in changes
    )
    return Result(tables=(Table(("path", f"at {hot_paths.BEFORE}", "now", "ratio"), rows),))


SECTION = Section(
    name="improvement",
    title="Improvements",
    method="""\
Hot paths that these benchmarks showed, measured in isolation on two versions in turn: the package at the older commit
that the table names, extracted from git, and the package at the commit of this measurement. CPU time of one thread: the
minimum of some runs in one process, then the median of the turns. (`python -m benchmarks.hot_paths`)""",
    measure=measure,
    caveats="""\
- **A report of a worker that holds many tasks.** With 10,000 reserved tasks, 13 of 14 ms were spent on finding the
  queue of each request, for every request in every report, on the event loop. Now the queue of each request is found
  once and kept by weak reference (`worker.bindings.QueueCounter`); a report finds new and finished requests by two set
  differences. If a queue is added, all requests are examined again.
- **The exporter's rendering.** Two thirds of it were spent in the client's `generate_latest()`, which escapes and
  formats every label and number each time, and a quarter on building samples. `exporter.text_format` now formats each
  label and each number once; a test compares its output with the client's byte for byte. Rendering has a fixed share of
  a core, so the metrics of a large fleet are also updated more often.
- **`Cluster.apply_gossip()`.** A worker sends a series in three gossips after each change, so more than half of the
  series in a gossip contain nothing new. They are skipped before any object is built for them. The rest of the cost is
  spread over many small steps: five sums and histories for each series that changed.""",
)
