"""Mutation score of modules: `python -m tests.mutation [MODULE ...] [--all]`. The mistakes are those of cosmic-ray.

No file is changed: each mutant is a fork of this process that imports the module with the mistake. The outcome of each
mutant is kept in .mutation, and the next run tries only those that survived; --all tries all. Prints the mutants that
survived, and a table. The exit code is 1 if a score is below MIN_SCORE.
"""

import argparse
import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from hashlib import sha256
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import celery.worker.request
import hypothesis.stateful
import kombu
import pytest

from tests.mutation.mistake import Mistake, mistakes_in

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(".mutation")
MIN_SCORE = 0.85  #: killed mutants; docs/explanation/mutation.md explains those that survive
MAX_CPU = 20  #: seconds for all tests of a module, which take five; more is an endless loop
MAX_SECONDS = 600
SCHEDULES = "200"  #: of the simulation
PRELOADED = (celery.worker.request, hypothesis.stateful, kombu)  #: imported by the tests; loaded once for all forks

#: Tests of each module, the fastest first: the first one that fails ends the mutant.
TESTS = {
    "cluster.member": (
        "unit/cluster/test_member",
        "unit/cluster/test_cluster",
        "unit/cluster/test_limits",
        "unit/test_spoofing",
        "unit/test_simulation",
    ),
    "cluster.state_machine": (
        "unit/cluster/test_member",
        "unit/cluster/test_beats",
        "unit/cluster/test_cluster",
        "unit/test_spoofing",
        "unit/test_simulation",
    ),
    "cluster.instance": (
        "unit/cluster/test_member",
        "unit/cluster/test_cluster",
        "unit/test_spoofing",
        "unit/test_simulation",
    ),
    "cluster.silence_timeouts": ("unit/cluster/test_member", "unit/cluster/test_cluster", "unit/test_simulation"),
    "cluster.cluster": (
        "unit/cluster/test_cluster",
        "unit/cluster/test_limits",
        "unit/cluster/test_view",
        "unit/test_spoofing",
        "unit/test_simulation",
    ),
    "cluster.membership": ("unit/cluster/test_cluster", "unit/test_spoofing", "unit/test_simulation"),
    "cluster.roster": (
        "unit/cluster/test_cluster",
        "unit/cluster/test_beats",
        "unit/test_spoofing",
        "unit/test_simulation",
    ),
    "cluster.statistics": ("unit/cluster/test_cluster", "unit/cluster/test_statistics", "unit/test_spoofing"),
    "cluster.isolation": ("unit/cluster/test_isolation", "unit/test_simulation"),
    "wire.limits": ("unit/wire/test_messages",),
    "wire.messages": ("unit/wire/test_messages",),
    "transport.envelope": ("unit/transport/test_envelope", "fuzz/test_envelope"),
}
#: Tests that insert mistakes themselves, or that take long and detect nothing that others do not.
SKIPPED = "not wrong_with_the_view and not failing_schedule and not among_the and not same_run and not one_thread_while"
#: Failures are expected and their text is not needed, so asserts are not rewritten, which would take a second.
OPTIONS = (
    "-x",
    "-q",
    "--assert=plain",
    "--tb=no",
    "--timeout=0",
    "-p",
    "no:cacheprovider",
    "-p",
    "tests.mutation.quick",
)


class MutantImporter(MetaPathFinder, Loader):
    """Imports one module from another source."""

    def __init__(self, module: str, source: str) -> None:
        self._module, self._source = f"celery_gossip.{module}", source

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        return spec_from_loader(name, self) if name == self._module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, f"{self._module}.py", "exec"), module.__dict__)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", choices=[*TESTS, []], metavar="MODULE")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    outcomes = {module: try_all(module, is_full=options.all) for module in options.modules or TESTS}
    print("\n| module | mutants | killed | timed out | survived | score |\n|---|---:|---:|---:|---:|---:|")
    for module, counts in outcomes.items():
        columns = " | ".join(str(counts[outcome]) for outcome in ("killed", "timed out", "survived"))
        print(f"| {module} | {counts.total()} | {columns} | {score(counts):.1%} |")
    return any(score(counts) < MIN_SCORE for counts in outcomes.values())


def score(counts: "Counter[str]") -> float:
    return 1.0 - counts["survived"] / counts.total()


def try_all(module: str, *, is_full: bool) -> "Counter[str]":
    """Return `{outcome: mutants}`; print each mutant that survives."""
    source = (ROOT / "celery_gossip" / f"{module.replace('.', '/')}.py").read_text()
    if try_source(module, source) != "survived":
        sys.exit(f"the tests of {module} fail without a mistake")
    file = FOLDER / f"{module}.json"
    outcomes = {} if is_full else load(file, source)
    started_at = time.monotonic()
    counts: Counter[str] = Counter()
    for mistake in mistakes_in(source):
        if outcomes.get(mistake.name, "survived") == "survived":
            outcomes[mistake.name] = try_source(module, mistake.source)
            save(file, source, outcomes)
        counts[outcomes[mistake.name]] += 1
        if outcomes[mistake.name] == "survived":
            print(described(module, mistake), flush=True)
    print(f"{module}: {counts.total()} mutants in {time.monotonic() - started_at:.0f} s", flush=True)
    return counts


def described(module: str, mistake: Mistake) -> str:
    return f"SURVIVED {module}.py:{mistake.line} {mistake.where}\n    - {mistake.before}\n    + {mistake.after}"


def try_source(module: str, source: str) -> str:
    """Run the tests in a fork that imports the module from this source. Return the outcome."""
    child = os.fork()
    if not child:
        os._exit(run_tests(module, source))
    give_up_at = time.monotonic() + MAX_SECONDS
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > give_up_at:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    if os.WIFSIGNALED(status):
        return "timed out"
    return "killed" if os.WEXITSTATUS(status) else "survived"


def run_tests(module: str, source: str) -> int:
    """Return 0 if all tests pass. Called in the fork."""
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU, MAX_CPU))
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)
    os.environ["GOSSIP_TEST_SCHEDULES"] = SCHEDULES
    sys.meta_path.insert(0, MutantImporter(module, source))
    sys.dont_write_bytecode = False
    files = (str(ROOT / "tests" / f"{name}.py") for name in TESTS[module])
    return any(pytest.main([*OPTIONS, "-k", SKIPPED, file]) for file in files)


def load(file: Path, source: str) -> dict[str, str]:
    """Return `{mistake: outcome}` of the previous run if the module has not changed since."""
    saved = json.loads(file.read_text()) if file.exists() else {}
    return dict(saved["outcomes"]) if saved.get("source") == digest(source) else {}


def save(file: Path, source: str, outcomes: dict[str, str]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"source": digest(source), "outcomes": outcomes}, indent=1))


def digest(source: str) -> str:
    return sha256(source.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
