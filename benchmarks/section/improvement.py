"""What was improved, because this list showed it: hot paths, before and after."""

import subprocess

import pytest

from benchmarks import hot_paths
from benchmarks.price.result import Result, Scale, Section, Table

__all__ = ["SECTION"]


def measure(scale: Scale) -> Result:
    try:
        changes = hot_paths.compare(turns=scale.pick(full=3, quick=1))
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"{hot_paths.BEFORE} is not to be had or does not run any more: {exc}")
    rows = tuple((one.path, one.before, one.after, f"{one.after / one.before:.2f}") for one in changes)
    return Result(tables=(Table(("path", f"at {hot_paths.BEFORE}", "now", "ratio"), rows),))


SECTION = Section(
    name="improvement",
    title="What was improved",
    method=f"""\
Hot paths that this list showed, driven by themselves on two versions in turn: the package as it was at
{hot_paths.BEFORE}, taken out of git, and as it is now. CPU of one thread, the cheapest of some runs in a process, the
median of the turns. (`python -m benchmarks.hot_paths`)""",
    measure=measure,
    caveats="""\
- **A round of a worker that holds many tasks.** 13 of its 14 ms at 10,000 reserved tasks were the question which
  queue each came from, asked of every request in every round, on the event loop. Now each is asked once: what is
  known is kept by weak reference (`bindings.Origins`), and a round finds who is new and who has gone by two
  differences of sets. With a new queue all are asked again.
- **The exporter's page.** Two thirds of its rendering were spent in the client's `generate_latest()`, which escapes
  and formats every label and number anew, and a quarter on building samples. The page is now written by
  `exporter.text`, which puts each label and each number into words once; a test compares it with the client byte for
  byte. Rendering has a fixed share of a core, so a page for a large fleet is also so much younger.
- **`Cluster.apply()`.** A worker tells a series in three gossips after each change, so more than half of those in a
  gossip say nothing new. They are passed over before anything is built for them. What is left is spread thin: five
  sums and histories for each series that moved.""",
)
