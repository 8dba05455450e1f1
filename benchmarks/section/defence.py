"""Cost of a listener's defences against hostile peers for an honest fleet."""

import shutil
import subprocess

import pytest

from benchmarks import instructions
from benchmarks.report.result import Result, Scale, Section, Table

__all__ = ["SECTION"]


def measure(scale: Scale) -> Result:
    if shutil.which("valgrind") is None:
        pytest.skip("there is no valgrind")
    workers = scale.pick(full=1000, quick=100)
    try:
        costs = instructions.compare(workers=workers)
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"{instructions.BEFORE} could not be read from git: {exc}")
    rows = tuple(
        (cost.part, round(cost.before / 1e3), round(cost.now / 1e3), f"{cost.now / cost.before:.3f}") for cost in costs
    )
    caption = f"{workers:,} workers, ten queues each, in thousands of instructions:"
    return Result(tables=(Table(("part", f"at {instructions.BEFORE}", "now", "ratio"), rows, caption),))


SECTION = Section(
    name="defence",
    title="Cost of the defences against attacks for an honest fleet",
    method="""\
A listener at the commit that the table names, before the defences against hostile peers and crowds (see
[attacks.md](attacks.md)), and at the commit of this measurement, with the same messages: through the throttle, the
decoder and the cluster, one second of a fleet after the other, without a broker. Valgrind counts the instructions of a
process; a part is the difference between two processes, which repeats within 0.1 %.
(`python -m benchmarks.instructions`)""",
    measure=measure,
    caveats="""\
The listener tracks the number of queues and bytes of all workers by upper bounds while these fit within the limits. It
rebuilds the queues of a view, and the names for reading queue lengths, only where a report changed. A worker's first
message has the highest ratio because no bound exists for it yet.""",
)
