"""The price list: measures what this package costs, and writes the page that tells it.

`python -m benchmarks [--only SECTION,…] [--quick] [--own-brokers] [--write docs/benchmarks.md]`

What is measured stays in a .json beside the page; sections that are left out keep their figures. After each section
both files are written, so that a run which is broken off loses one section. Needs what the tests need, and Flower
(PyPI: flower) for one row. With --own-brokers it starts a Redis and a RabbitMQ in the place of the shared ones.
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

from benchmarks.price import machine, page, record
from benchmarks.price.result import Scale, Section
from tests.support import brokers

__all__ = ["main", "run"]


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 where a section could not be measured."""
    from benchmarks.section.all import SECTIONS

    options = parse(arguments, [section.name for section in SECTIONS])
    if options.own_brokers:
        return run_beside_own_brokers(list(sys.argv[1:] if arguments is None else arguments))
    chosen = [section for section in SECTIONS if section.name in options.only]
    return run(chosen, SECTIONS, Scale(is_quick=options.quick), options.write)


def run_beside_own_brokers(arguments: list[str]) -> int:
    """The same in a process of its own, which finds them in its environment."""
    command = [sys.executable, "-m", "benchmarks", *(each for each in arguments if each != "--own-brokers")]
    with brokers.running(brokers.private("redis")) as redis, brokers.running(brokers.private("rabbitmq")) as rabbitmq:
        environment = {**os.environ, "REDIS_URL": redis.url, "RABBITMQ_URL": rabbitmq.url}
        return subprocess.run(command, env=environment, check=False).returncode


def run(chosen: Sequence[Section], known: Sequence[Section], scale: Scale, path: Path) -> int:
    """Measure those chosen, one after another; how many of them failed or were skipped, 1 at most."""
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
    """What it found; None, said on stderr, where it could not be measured: its old figures stay."""
    print(f"{section.name}: {section.title}", flush=True)
    now, began, load = datetime.now(timezone.utc), time.monotonic(), machine.load()
    try:
        result = section.measure(scale)
    except pytest.skip.Exception as exc:
        print(f"{section.name}: left out, {exc}", file=sys.stderr, flush=True)
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the price list and write it")
    parser.add_argument("--only", default=",".join(names), help=f"of {', '.join(names)}; an empty one only writes")
    parser.add_argument("--quick", action="store_true", help="some five minutes, and tells less")
    parser.add_argument("--own-brokers", action="store_true", help="instead of those of REDIS_URL and RABBITMQ_URL")
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks.md"), metavar="PATH")
    options = parser.parse_args(arguments)
    options.only = [name for name in options.only.split(",") if name]
    unknown = sorted(set(options.only) - set(names))
    if unknown:
        parser.error(f"unknown section {', '.join(unknown)}; there are {', '.join(names)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
