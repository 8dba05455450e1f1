"""The program that fuzzes by coverage, for some seconds each."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.target import TARGETS

SECONDS = 2
pytestmark = pytest.mark.timeout(400)  # to instrument what is imported takes some seconds, and more on a busy machine
atheris = pytest.importorskip("atheris", reason="atheris has wheels for Linux and CPython 3.11 to 3.13 only")


def fuzz(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.fuzz", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("name", TARGETS)
def test_some_seconds_of_fuzzing_break_no_promise(name: str, tmp_path: Path) -> None:
    done = fuzz(name, "--seconds", str(SECONDS), "--folder", str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    executed = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert executed and int(executed[1]) > len(TARGETS[name][1]()), "nothing but the seeds was tried"


def test_one_file_can_be_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "found"
    file.write_bytes(b'{"v": 2, "hostname": "celery@web1"}')
    done = fuzz("decode", str(file))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "version: 2 of 'celery@web1', 1 is supported",
    )
