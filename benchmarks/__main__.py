"""Measure the cost of this package, and write docs/explanation/benchmarks.md.

`python -m benchmarks [--only SECTION,…] [--quick] [--own-brokers] [--write docs/explanation/benchmarks.md]`

The results are stored in a .json file next to the page; sections that are not measured keep their results. Both files
are written after each section, so that an interrupted run loses one section. Needs the requirements of the tests, and
Flower (PyPI: flower) for one row. With --own-brokers it starts a Redis and a RabbitMQ instead of using the shared ones.
"""

import argparse
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest

from benchmarks.report import machine, page, record
from benchmarks.report.result import Scale, Section
from tests.support import brokers

__all__ = ["main", "run"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 1 if a section could not be measured."""
    from benchmarks.section.all import SECTIONS

    options = parse(arguments, [section.name for section in SECTIONS])
    if options.own_brokers:
        return run_beside_own_brokers(list(sys.argv[1:] if arguments is None else arguments))
    chosen = [section for section in SECTIONS if section.name in options.only]
    return run(chosen, SECTIONS, Scale(is_quick=options.quick), options.write)


def run_beside_own_brokers(arguments: list[str]) -> int:
    """Run the same command in a process that has the URLs of these brokers in its environment."""
    command = [sys.executable, "-m", "benchmarks", *(each for each in arguments if each != "--own-brokers")]
    with brokers.running(brokers.private("redis")) as redis, brokers.running(brokers.private("rabbitmq")) as rabbitmq:
        environment = {**os.environ, "REDIS_URL": redis.url, "RABBITMQ_URL": rabbitmq.url}
        return subprocess.run(command, env=environment, check=False).returncode


def run(chosen: Sequence[Section], known: Sequence[Section], scale: Scale, path: Path) -> int:
    """Measure the chosen sections one after another. Return 1 if a section failed or was skipped, else 0."""
    kept, here, failed = record.read(path.with_suffix(".json")), machine.Machine.here(), 0
    for section in chosen:
        entry = measure(section, scale, here)
        if entry is None:
            failed = 1
        else:
            kept[section.name] = entry
        record.write(path.with_suffix(".json"), kept)
        path.write_text(page.render(kept, known))
    if not chosen:
        path.write_text(page.render(kept, known))
    return failed


def measure(section: Section, scale: Scale, here: machine.Machine) -> record.Entry | None:
    """Measure a section. If that fails, print why on stderr and return None: its old result is kept."""
    print(f"{section.name}: {section.title}", flush=True)
    now, began, load = datetime.now(timezone.utc), time.monotonic(), machine.load()
    try:
        result = section.measure(scale)
    except pytest.skip.Exception as exc:
        print(f"{section.name}: skipped, {exc}", file=sys.stderr, flush=True)
        return None
    except Exception:
        print(f"{section.name}: failed\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        return None
    took = round(time.monotonic() - began, 1)
    print(f"{section.name}: took {took:.0f} s", flush=True)
    return record.Entry(
        result=result,
        measured_at=f"{now:%Y-%m-%d %H:%M}",
        commit=machine.commit(),
        machine=here,
        took=took,
        load=(load, machine.load()),
        is_quick=scale.is_quick,
        niceness=os.nice(0),
    )


def parse(arguments: Sequence[str] | None, names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run the benchmarks and write the page")
    parser.add_argument("--only", default=",".join(names), help=f"of {', '.join(names)}; if empty, only write the page")
    parser.add_argument("--quick", action="store_true", help="take about five minutes, with less precision")
    parser.add_argument(
        "--own-brokers", action="store_true", help="start brokers instead of using REDIS_URL and RABBITMQ_URL"
    )
    parser.add_argument("--write", type=Path, default=Path("docs/explanation/benchmarks.md"), metavar="PATH")
    options = parser.parse_args(arguments)
    options.only = [name for name in options.only.split(",") if name]
    unknown = sorted(set(options.only) - set(names))
    if unknown:
        parser.error(f"unknown section {', '.join(unknown)}; known are {', '.join(names)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
