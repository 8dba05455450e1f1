"""Cost of the fields that findings need: for a worker per report and per task, and for a listener."""

import shutil
import subprocess
import tempfile

import pytest

from benchmarks import instructions, worker_instructions
from benchmarks.hot_paths import unpack
from benchmarks.report.result import Cell, Result, Scale, Section, Table

__all__ = ["SECTION"]

_QUEUES, _RESERVED, _ACTIVE = 10, 24, 8


def measure(scale: Scale) -> Result:
    if shutil.which("valgrind") is None:
        pytest.skip("there is no valgrind")
    workers, tasks = scale.pick(full=40, quick=10), scale.pick(full=600, quick=100)
    with tempfile.TemporaryDirectory() as folder:
        try:
            unpack(instructions.BEFORE, folder)
        except subprocess.CalledProcessError as exc:
            pytest.skip(f"{instructions.BEFORE} could not be read from git: {exc}")
        rows = [*_report_rows(folder), *_task_rows(folder, tasks)]
    costs = instructions.compare(workers=workers)
    rows += [_row(f"listener: {cost.part}", cost.before / 1e3, cost.now / 1e3) for cost in costs]
    caption = f"In thousands of instructions, and bytes; a listener to {workers} workers with ten queues each:"
    return Result(tables=(Table(("part", f"at {instructions.BEFORE}", "now", "ratio"), tuple(rows), caption),))


def _report_rows(folder: str) -> list[tuple[Cell, ...]]:
    trees = (folder, str(instructions.REPOSITORY))
    before, now = (worker_instructions.report_costs(tree, _QUEUES, _RESERVED, _ACTIVE) for tree in trees)
    return [
        _row("worker: a report, on the event loop", before.on_loop / 1e3, now.on_loop / 1e3),
        _row("worker: encoding it, on the sender thread", before.on_sender_thread / 1e3, now.on_sender_thread / 1e3),
        _row("worker: bytes of the message", before.size, now.size),
    ]


def _task_rows(folder: str, tasks: int) -> list[tuple[Cell, ...]]:
    before, now = (worker_instructions.task_costs(tree, tasks) for tree in (folder, str(instructions.REPOSITORY)))
    return [
        _row("worker: a no-op task of a solo worker", before.counted / 1e3, now.counted / 1e3),
        _row("worker: the same without this package", before.plain / 1e3, now.plain / 1e3),
    ]


def _row(part: str, before: float, now: float) -> tuple[Cell, ...]:
    return part, round(before), round(now), f"{now / before:.3f}"


SECTION = Section(
    name="diagnosis",
    title="Cost of the fields that findings need",
    method=f"""\
The package at {instructions.BEFORE}, before reports had names and ages of running tasks, the age of the newest message,
resources, software and messages held for long, and at the commit of this measurement, with the same messages. A worker
has {_QUEUES} queues, {_ACTIVE} running and {_RESERVED} reserved tasks. Valgrind counts the instructions of a process; a
part is the difference between two processes. (`python -m benchmarks.worker_instructions`,
`python -m benchmarks.instructions`)""",
    measure=measure,
    caveats="""\
The fields of a report are built on the event loop, except for resources, software and messages held for long, which the
sender thread reads. Tasks run without the garbage collector, whose cost depends on everything that is alive in the
process: with it, more modules and objects of this package add some 0.5 % to a no-op task.""",
)
