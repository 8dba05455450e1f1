"""mypy in strict mode and pyright accept what a user writes, and report the mistakes in mistakes.py."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = sorted(path for path in HERE.glob("*.py") if not path.name.startswith(("test_", "_")))
#: Rules that mypy's strict mode has too; not those about Celery, which has no types.
PYRIGHT_RULES = (
    "# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportMissingTypeStubs=false, "
    "reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, "
    "reportUnusedFunction=false, reportUnknownParameterType=false, reportUnknownLambdaType=false\n"
)


def require(tool: str, is_there: bool) -> None:
    if not is_there:
        reason = f"{tool} is not installed"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}, and CI must have it")
        pytest.skip(reason)


def run(*command: str) -> str:
    """Return what a checker reports; an empty text where it has nothing to report."""
    env = {**os.environ, "MYPYPATH": str(ROOT)}  # not another installation
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def pyright() -> str:
    """The pyright of this environment, or of the PATH."""
    beside = shutil.which("pyright", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("pyright")
    require("pyright", found is not None)
    assert found is not None
    return found


def copied(path: Path, folder: Path, *, with_ignores: bool) -> Path:
    """A copy under rules of its own; without the comments that hide its mistakes, if so."""
    text = path.read_text()
    copy = folder / path.name
    (folder / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)]}))
    copy.write_text(PYRIGHT_RULES + (text if with_ignores else re.sub(r"  # type: ignore\[.*\]", "", text)))
    return copy


def mistakes_in(path: Path) -> set[int]:
    """The lines with a mistake, counted from 1."""
    return {number for number, line in enumerate(path.read_text().splitlines(), 1) if "# type: ignore[" in line}


def test_mypy_accepts_what_a_user_writes_and_no_more() -> None:
    require("mypy", importlib.util.find_spec("mypy") is not None)
    assert run(sys.executable, "-m", "mypy", "--strict", "tests/typing") == ""


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_pyright_accepts_what_a_user_writes_and_no_more(path: Path, pyright: str, tmp_path: Path) -> None:
    copy = copied(path, tmp_path, with_ignores=True)
    assert run(pyright, "--pythonpath", sys.executable, "-p", str(copy.parent)) == ""


@pytest.mark.parametrize("path", [path for path in PROGRAMS if mistakes_in(path)], ids=lambda path: path.stem)
def test_pyright_reports_each_mistake_and_nothing_else(path: Path, pyright: str, tmp_path: Path) -> None:
    copy = copied(path, tmp_path, with_ignores=False)
    report = run(pyright, "--pythonpath", sys.executable, "-p", str(copy.parent))
    lines = {int(line) - 1 for line in re.findall(rf"{re.escape(path.name)}:(\d+):\d+ - error", report)}
    assert lines == mistakes_in(path), report


@pytest.mark.parametrize("path", [path for path in PROGRAMS if mistakes_in(path)], ids=lambda path: path.stem)
def test_mypy_reports_each_mistake_and_nothing_else(path: Path, tmp_path: Path) -> None:
    require("mypy", importlib.util.find_spec("mypy") is not None)
    copy = copied(path, tmp_path, with_ignores=False)
    report = run(sys.executable, "-m", "mypy", "--strict", str(copy))
    lines = {int(line) - 1 for line in re.findall(rf"{re.escape(path.name)}:(\d+): error", report)}
    assert lines == mistakes_in(path), report
