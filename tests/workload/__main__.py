"""python -m tests.workload --seeds 50: the long form, with a table of what was counted and what differed."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.workload.fleet import BROKERS
from tests.workload.plan import POOLS
from tests.workload.report import summary, write
from tests.workload.run import SeedResult, Session, exit_on_sigterm, run_all

SHARED_BY = 5  #: seeds that share their workers


def main() -> int:
    """Run every session that was asked for; 1 if anything differed."""
    options = _options()
    exit_on_sigterm()
    results: list[SeedResult] = []
    count = options.seeds * len(options.pools) * len(options.brokers)
    for done in run_all(list(_sessions(options)), options.jobs):
        results.extend(done)
        _show_progress(done, len(results), count)
    results.sort(key=lambda each: (POOLS.index(each.pool), each.broker, each.seed))
    print(summary(results))
    if options.write:
        write(Path(options.write), results, options.tasks)
    return 1 if any(result.differences or result.error for result in results) else 0


def _sessions(options: argparse.Namespace) -> Iterator[Session]:
    """A few seeds of every pool and broker in turn, so that a run that is broken off has seen something of each."""
    seeds = range(options.first, options.first + options.seeds)
    for at in range(0, len(seeds), SHARED_BY):
        for pool in options.pools:
            for broker in options.brokers:
                yield Session(
                    pool, broker, tuple(seeds[at : at + SHARED_BY]), options.tasks, options.keep, options.plain
                )


def _show_progress(results: list[SeedResult], done: int, count: int) -> None:
    for result in results:
        what = "error" if result.error else f"{len(result.differences)} differences"
        name = f"seed {result.seed} {result.pool} {result.broker}"
        print(f"[{done}/{count}] {name}: {result.runs} runs in {result.seconds:.1f} s, {what}", flush=True)
        if result.left:
            print(f"    {result.left}"[:2000])
        for each in result.differences:
            bounds = f"{each.low:g}" if each.low == each.high else f"{each.low:g} to {each.high:g}"
            print(f"    {each.queue} {each.task} {each.what}: expected {bounds}, counted {each.counted:g}")
        for line in (*result.excerpts, *result.error.splitlines()):
            print(f"      {line}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.workload")
    parser.add_argument("--seeds", type=int, default=50, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--pools", type=_listed, default=list(POOLS))
    parser.add_argument("--brokers", type=_listed, default=list(BROKERS))
    parser.add_argument("--tasks", type=int, default=200, help="runs that a plan means")
    parser.add_argument("--jobs", type=int, default=2, help="sessions at the same time")
    parser.add_argument("--keep", default="", help="a folder for the records and logs of what differs or does not end")
    parser.add_argument("--plain", action="store_true", help="without the bootstep, nothing is compared")
    parser.add_argument("--write", help="a document whose table of results is replaced")
    return parser.parse_args()


def _listed(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    sys.exit(main())
