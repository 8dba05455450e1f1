"""The mutation score of a module: `python -m tests.mutation [MODULE ...] [--anew]`. Small mistakes are cosmic-ray's.

No file is changed: each mutant is a fork of this process, in which the module is imported with the mistake in it. What
became of each is kept in .mutation, so that the next run tries again only those that survived; --anew tries all. Prints
who survived, and a table; the exit code is 1 where a score is below LEAST.
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
LEAST = 0.85  #: of the mutants; what is left has a reason in docs/mutation.md
MOST_CPU = 20  #: seconds; what takes so long has found an endless loop, for all tests of a module take five
MOST_SECONDS = 600
SCHEDULES = "200"  #: of the simulation
PRELOADED = (celery.worker.request, hypothesis.stateful, kombu)  #: what the tests import besides, once for all forks

#: The tests that concern each module, the quickest first: the first one that fails ends the mutant.
TESTS = {
    "member": ("unit/test_member", "unit/test_cluster", "unit/test_spoofing", "unit/test_simulation"),
    "cluster": ("unit/test_cluster", "unit/test_spoofing", "unit/test_simulation"),
    "hearing": ("unit/test_hearing", "unit/test_simulation"),
    "messages": ("unit/test_messages",),
    "envelope": ("unit/test_envelope", "fuzz/test_envelope"),
}
#: Tests that break these modules themselves, or that take long and tell nothing about them that others do not.
SKIPPED = "not wrong_with_the_view and not failing_schedule and not among_the and not same_run and not one_thread_while"
#: A failure is expected and its text of no use, so asserts stay as they are: to rewrite them takes a second.
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


class Mistaken(MetaPathFinder, Loader):
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
    parser.add_argument("--anew", action="store_true")
    chosen = parser.parse_args()
    scores = {module: tried(module, is_anew=chosen.anew) for module in chosen.modules or TESTS}
    print("\n| module | mutants | killed | out of time | survived | score |\n|---|---:|---:|---:|---:|---:|")
    for module, fates in scores.items():
        told = " | ".join(str(fates[fate]) for fate in ("killed", "out of time", "survived"))
        print(f"| {module} | {fates.total()} | {told} | {score(fates):.1%} |")
    return any(score(fates) < LEAST for fates in scores.values())


def score(fates: "Counter[str]") -> float:
    return 1.0 - fates["survived"] / fates.total()


def tried(module: str, *, is_anew: bool) -> "Counter[str]":
    """`{fate: mutants}`; each one that survives is printed."""
    source = (ROOT / "celery_gossip" / f"{module}.py").read_text()
    if fate_of(module, source) != "survived":
        sys.exit(f"the tests of {module} fail without a mistake")
    file = FOLDER / f"{module}.json"
    fates = {} if is_anew else kept_in(file, source)
    began_at = time.monotonic()
    found: Counter[str] = Counter()
    for mistake in mistakes_in(source):
        if fates.get(mistake.name, "survived") == "survived":
            fates[mistake.name] = fate_of(module, mistake.source)
            keep(file, source, fates)
        found[fates[mistake.name]] += 1
        if fates[mistake.name] == "survived":
            print(told(module, mistake), flush=True)
    print(f"{module}: {found.total()} mutants in {time.monotonic() - began_at:.0f} s", flush=True)
    return found


def told(module: str, mistake: Mistake) -> str:
    return f"SURVIVED {module}.py:{mistake.line} {mistake.where}\n    - {mistake.before}\n    + {mistake.after}"


def fate_of(module: str, source: str) -> str:
    child = os.fork()
    if not child:
        os._exit(test(module, source))
    give_up_at = time.monotonic() + MOST_SECONDS
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > give_up_at:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    if os.WIFSIGNALED(status):
        return "out of time"
    return "killed" if os.WEXITSTATUS(status) else "survived"


def test(module: str, source: str) -> int:
    """In a fork: 0 where the tests notice nothing."""
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU, MOST_CPU))
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    os.environ["GOSSIP_TEST_SCHEDULES"] = SCHEDULES
    sys.meta_path.insert(0, Mistaken(module, source))
    sys.dont_write_bytecode = False
    files = (str(ROOT / "tests" / f"{name}.py") for name in TESTS[module])
    return any(pytest.main([*OPTIONS, "-k", SKIPPED, file]) for file in files)


def kept_in(file: Path, source: str) -> dict[str, str]:
    """`{mistake: fate}` of the last run, if the module is the same."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    return dict(kept["fates"]) if kept.get("source") == digest(source) else {}


def keep(file: Path, source: str, fates: dict[str, str]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"source": digest(source), "fates": fates}, indent=1))


def digest(source: str) -> str:
    return sha256(source.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
