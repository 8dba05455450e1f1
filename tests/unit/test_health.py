"""The health file is replaced as a whole and leaves nothing behind; its check is red for every doubt, and says why."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from celery_gossip import health as room
from celery_gossip.health import HealthFile, main, reason_for_red
from tests.unit.build import FakeClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "health"


def red(path: Path, max_age: float = 10.0, now: float = 1000.0) -> str | None:
    return reason_for_red(str(path), max_age, FakeClock(now))


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# What the worker writes.


def test_a_fifo_in_its_place_is_an_error_and_no_reader_is_waited_for(path: Path) -> None:
    os.mkfifo(f"{path}.tmp")
    with pytest.raises(OSError):
        HealthFile(str(path)).claim()


def test_a_touch_writes_one_short_line_of_stamp_and_pid(path: Path) -> None:
    HealthFile(str(path)).touch(1234.5678)
    assert path.read_text() == f"1234.5678 {os.getpid()}\n"
    assert names(path.parent) == ["health"]


def test_a_touch_replaces_the_file_as_a_whole(path: Path) -> None:
    file = HealthFile(str(path))
    file.touch(1.0)
    with path.open() as before:
        file.touch(2.0)
        assert before.read().startswith("1.0 "), "who has opened the old file reads the old line"
    assert path.read_text().startswith("2.0 ")


def test_a_probe_of_another_user_may_read_it(path: Path) -> None:
    before = os.umask(0o022)
    try:
        HealthFile(str(path)).touch(1.0)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_worker_that_changes_its_folder_goes_on_with_the_same_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    file = HealthFile("health")
    monkeypatch.chdir("/")
    file.touch(1.0)
    assert path.exists()


@pytest.mark.parametrize("call", ["open", "write", "replace"])
def test_a_touch_that_fails_leaves_what_was_there_and_nothing_else(
    path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = HealthFile(str(path))
    file.touch(1.0)
    descriptors = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patch:
        patch.setattr(room.os, call, raising(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match=f"No space left on device: '{path}.tmp'"):
            file.touch(2.0)
    assert path.read_text().startswith("1.0 ")
    assert names(path.parent) == ["health"]
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)


def raising(error: OSError) -> Any:
    def blow_up(*_: object, **__: object) -> None:
        raise error

    return blow_up


def test_a_link_that_somebody_has_laid_is_not_followed(path: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    Path(f"{path}.tmp").symlink_to(precious)
    with pytest.raises(OSError):
        HealthFile(str(path)).touch(1.0)
    assert precious.read_text() == "precious"
    HealthFile(str(path)).touch(1.0)
    assert names(tmp_path) == ["health", "precious"]


def test_a_claim_removes_what_an_earlier_worker_has_left(path: Path) -> None:
    path.write_text("999.0 1\n")
    HealthFile(str(path)).claim()
    assert names(path.parent) == []


def test_a_claim_fails_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        HealthFile(str(tmp_path / "nowhere" / "health")).claim()


def test_a_claim_fails_where_a_folder_has_that_name(path: Path) -> None:
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        HealthFile(str(path)).claim()
    assert names(path.parent) == ["health"]


def test_a_disk_that_is_full_just_now_can_be_claimed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.os, "write", raising(OSError(28, "No space left on device")))
    HealthFile(str(path)).claim()


def test_a_file_that_cannot_be_removed_hurts_nobody(path: Path) -> None:
    file = HealthFile(str(path))
    file.remove()
    path.mkdir()
    file.remove()


# What the probe says of it.


def test_a_fresh_file_is_green_up_to_its_greatest_age(path: Path) -> None:
    HealthFile(str(path)).touch(990.0)
    assert red(path, max_age=10.0, now=990.0) is None
    assert red(path, max_age=10.0, now=1000.0) is None


def test_an_old_file_is_red_and_says_how_old_it_is(path: Path) -> None:
    HealthFile(str(path)).touch(987.5)
    assert red(path, max_age=10.0) == f"{path}: 12.5 s old, and at most 10 s are allowed"


def test_a_missing_file_is_red(path: Path) -> None:
    assert red(path) == f"{path}: No such file or directory; its worker has not begun to consume, or is leaving"


def test_a_file_of_the_time_before_the_machine_was_started_is_red(path: Path) -> None:
    HealthFile(str(path)).touch(5000.0)
    assert red(path) == f"{path}: 4000.0 s in the future; it was written before this machine was started"


def test_a_folder_is_red(path: Path) -> None:
    path.mkdir()
    assert "Is a directory" in str(red(path))


def test_a_file_that_may_not_be_read_is_red(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.open", raising(PermissionError(13, "Permission denied")))
    assert str(red(path)).startswith(f"{path}: Permission denied")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"995.0\n",
        b"995.0 7",
        b"995.0 7 9\n",
        b"7 995.0\n",
        b"nan 7\n",
        b"inf 7\n",
        b"-inf 7\n",
        b"-1.0 7\n",
        b"1e400 7\n",
        b"995.0 -7\n",
        b"995.0 0\n",
        b"soon 7\n",
        b"\xff\xfe 7\n",
        b"\0" * 16,
        b"995.0 7\n" * 100,
        b"9" * 5000 + b" 7\n",
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_health_file_is_red(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert red(path) == f"{path}: not a health file"


# The command.


@pytest.fixture
def fresh(path: Path) -> Path:
    HealthFile(str(path)).touch(time.monotonic())
    return path


def test_green_is_0_without_a_word(fresh: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([str(fresh)]) == 0
    assert capfd.readouterr() == ("", "")


def test_red_is_1_and_one_line_on_stderr(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    HealthFile(str(path)).touch(time.monotonic() - 60)
    assert main([str(path), "--max-age", "59.5"]) == 1
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"{path}: 60.") and err.endswith("at most 59.5 s are allowed\n")


def test_by_default_a_file_may_be_10_s_old(path: Path) -> None:
    file = HealthFile(str(path))
    file.touch(time.monotonic() - 5)
    assert main([str(path)]) == 0
    file.touch(time.monotonic() - 11)
    assert main([str(path)]) == 1


def test_of_several_files_all_must_be_green(fresh: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([str(fresh), str(fresh)]) == 0
    assert main([str(fresh), str(tmp_path / "other")]) == 1
    assert capfd.readouterr().err.startswith(str(tmp_path / "other"))


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "inf", "1e400", "soon", ""])
def test_a_max_age_that_is_none_is_2_and_says_what_was_expected(
    fresh: Path, wrong: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([str(fresh), f"--max-age={wrong}"])
    assert left.value.code == 2
    assert f"expected a finite number of seconds above 0, got {wrong!r}" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--max-age", "5"], ["health", "--max-age"], ["health", "--max", "5"]])
def test_a_question_asked_the_wrong_way_is_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2


def test_the_program_exits_with_these_codes(fresh: Path) -> None:
    assert [ask(str(fresh)), ask(f"{fresh}.other"), ask(str(fresh), "--max-age", "0")] == [0, 1, 2]


def ask(*arguments: str) -> int:
    command = [sys.executable, "-m", "celery_gossip.health", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode
