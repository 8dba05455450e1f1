"""The health file is replaced as a whole and leaves nothing behind; its check is red for every doubt, and says why."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from celery_gossip import health as room
from celery_gossip.health import HealthFile, main, unhealthy_reason
from tests.unit.build import FakeClock

Lay = Callable[[Path, Path], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "health"


def red(path: Path, max_age: float = 10.0, now: float = 1000.0) -> str | None:
    return unhealthy_reason(str(path), max_age, FakeClock(now))


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# What the worker writes.


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
        with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
            file.touch(2.0)
    assert path.read_text().startswith("1.0 ")
    assert names(path.parent) == ["health"]
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)


def raising(error: OSError) -> Any:
    def blow_up(*_: object, **__: object) -> None:
        raise error

    return blow_up


def lay_fifo(path: Path, precious: Path) -> None:
    os.mkfifo(path)


def lay_socket(path: Path, precious: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def lay_symlink(path: Path, precious: Path) -> None:
    path.symlink_to(precious)


def lay_dangling_symlink(path: Path, precious: Path) -> None:
    path.symlink_to(precious.parent / "nowhere")


def lay_hard_link(path: Path, precious: Path) -> None:
    path.hardlink_to(precious)


def lay_huge(path: Path, precious: Path) -> None:
    path.write_bytes(b"995.0 7\n" * 1_000_000)


LAID = [lay_fifo, lay_socket, lay_symlink, lay_dangling_symlink, lay_hard_link, lay_huge]


@pytest.mark.parametrize("lay", LAID)
def test_what_another_user_has_laid_in_its_place_is_replaced_and_never_written_to(path: Path, lay: Lay) -> None:
    precious = path.parent / "precious"
    precious.write_text("precious")
    lay(path, precious)
    HealthFile(str(path)).claim()
    lay(path, precious)
    HealthFile(str(path)).touch(1.0)
    assert path.read_text().startswith("1.0 ") and path.is_file() and not path.is_symlink()
    assert precious.read_text() == "precious"
    assert names(path.parent) == ["health", "precious"]


@pytest.mark.parametrize("lay", [*LAID, lambda path, precious: path.mkdir()])
def test_what_is_laid_under_the_name_of_a_draft_is_not_touched(
    path: Path, lay: Lay, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = path.parent / "precious"
    precious.write_text("precious")
    lay(Path(f"{path}.tmp"), precious)
    HealthFile(str(path)).touch(1.0)
    monkeypatch.setattr(room.os, "urandom", lambda size: b"\0" * size)
    guessed = Path(f"{path}.{'0' * 16}.tmp")
    lay(guessed, precious)
    with pytest.raises(FileExistsError):
        HealthFile(str(path)).touch(2.0)
    assert path.read_text().startswith("1.0 ") and precious.read_text() == "precious"
    assert guessed.is_symlink() or guessed.exists()


def test_the_name_of_a_draft_is_another_each_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drafts: list[str] = []
    monkeypatch.setattr(room.os, "replace", lambda draft, path: drafts.append(draft))
    for _ in range(10):
        HealthFile(str(path)).touch(1.0)
    assert len(set(drafts)) == 10 and {Path(draft).parent for draft in drafts} == {path.parent}


def test_a_draft_that_a_crash_has_left_is_removed_by_the_next_worker(path: Path) -> None:
    old, new, other = (Path(f"{path}.{digit * 16}.tmp") for digit in "abg")
    another = path.parent / f"health2.{'a' * 16}.tmp"
    for draft in (old, new, other, another):
        draft.write_text("1.0 7\n")
    for draft in (old, other, another):
        os.utime(draft, (1.0, 1.0))
    HealthFile(str(path)).claim()
    assert names(path.parent) == sorted(draft.name for draft in (new, other, another))


def test_a_folder_that_is_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "var").symlink_to(tmp_path / "run")
    path = tmp_path / "var" / "health"
    HealthFile(str(path)).touch(1000.0)
    assert red(path) is None


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Return a folder like /tmp: any user may create files there, and remove his own."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    for parent in (tmp_path, *tmp_path.parents[:4]):
        if parent.stat().st_uid == os.geteuid() and "pytest" in str(parent):
            parent.chmod(0o755)
    return folder


def as_user(uid: int, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this with the rights of that user, who need not be able to read the package or the interpreter."""
    source = Path(room.__file__).read_text().partition('if __name__ == "__main__":')[0]
    drop = f"import os, sys; os.setgroups([]); os.setgid({uid}); os.setuid({uid})\n"
    command = [sys.executable, "-c", f"{source}\n{drop}\n{code}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as two other users")
WRITER, OTHER = 12345, 12346


@needs_root
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_another_users_file_in_a_shared_folder_is_a_clear_error_and_the_worker_starts(shared: Path, kind: str) -> None:
    path = shared / "health"
    path.mkdir() if kind == "folder" else path.write_text("995.0 7\n")
    os.chown(path, OTHER, OTHER)
    code = "file = HealthFile(sys.argv[1]); file.claim(); print('started'); file.touch(1.0)"
    done = as_user(WRITER, code, str(path))
    assert done.stdout == "started\n"
    assert "belongs to another user" in done.stderr.splitlines()[-1] and str(path) in done.stderr.splitlines()[-1]
    assert names(shared) == ["health"]


@needs_root
def test_the_file_of_another_user_is_red_in_a_shared_folder_and_green_in_a_private_one(shared: Path) -> None:
    path = shared / "health"
    HealthFile(str(path)).touch(1000.0)
    code = "print(unhealthy_reason(sys.argv[1], 10.0, lambda: 1000.0, *map(int, sys.argv[2:])))"
    assert as_user(WRITER, code, str(path)).stdout == "None\n", "it belongs to root"
    os.chown(path, OTHER, OTHER)
    assert as_user(WRITER, code, str(path)).stdout == f"{path}: belongs to the user with the id {OTHER}; see --owner\n"
    assert as_user(OTHER, code, str(path)).stdout == "None\n"
    assert as_user(WRITER, code, str(path), str(OTHER)).stdout == "None\n"
    assert "belongs to" in str(red(path)), "root, too, cannot know who has made it"
    shared.chmod(0o755)
    os.chown(shared, OTHER, OTHER)
    assert red(path) is None and as_user(WRITER, code, str(path)).stdout == "None\n"


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
    assert red(path, max_age=10.0) == f"{path}: 12.5 s old; the maximum is 10 s"


def test_a_missing_file_is_red(path: Path) -> None:
    assert red(path) == f"{path}: No such file or directory; the worker does not consume yet, or shuts down"


def test_a_file_of_the_time_before_the_machine_was_started_is_red(path: Path) -> None:
    HealthFile(str(path)).touch(5000.0)
    assert red(path) == f"{path}: 4000.0 s in the future; it was written before the last start of this machine"


def test_a_folder_is_red(path: Path) -> None:
    path.mkdir()
    assert red(path) == f"{path}: Is a directory, not a regular file"


@pytest.mark.parametrize(
    ("lay", "why"),
    [
        (lay_fifo, "Is a FIFO, not a regular file"),
        (lay_socket, "Is a socket, not a regular file"),
        (lay_symlink, "Is a symbolic link, not a regular file"),
        (lay_dangling_symlink, "Is a symbolic link, not a regular file"),
        (lay_hard_link, "has more than one hard link"),
        (lay_huge, "not a health file"),
    ],
)
def test_what_is_not_a_plain_file_is_red_at_once(path: Path, lay: Lay, why: str) -> None:
    green = path.parent / "green"
    HealthFile(str(green)).touch(1000.0)
    lay(path, green)
    assert str(red(path)).startswith(f"{path}: {why}")


def test_a_device_is_red() -> None:
    assert red(Path("/dev/null")) == "/dev/null: Is a device, not a regular file"


def test_a_fifo_that_is_laid_after_the_first_look_is_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HealthFile(str(path)).touch(1000.0)
    looks = os.lstat(path)
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(room.os, "lstat", lambda path: looks)
    assert red(path) == f"{path}: Is a FIFO, not a regular file"


def test_a_file_that_is_replaced_while_it_is_read_is_green(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    HealthFile(str(path)).touch(1000.0)
    fstat = os.fstat

    def fstat_after_replacing(descriptor: int) -> os.stat_result:
        HealthFile(str(path)).touch(1000.0)
        return fstat(descriptor)

    monkeypatch.setattr(room.os, "fstat", fstat_after_replacing)
    assert red(path) is None


def test_a_file_that_may_not_be_read_is_red(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.touch()
    monkeypatch.setattr(room.os, "open", raising(PermissionError(13, "Permission denied")))
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
    assert err.startswith(f"{path}: 60.") and err.endswith("the maximum is 59.5 s\n")


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


@pytest.mark.parametrize("owner", ["root", "0", str(os.geteuid())])
def test_an_owner_is_given_by_name_or_id(fresh: Path, owner: str) -> None:
    assert main([str(fresh), "--owner", owner]) == 0


@pytest.mark.parametrize("owner", ["", "no such user", "-1", "a\0b"])
def test_an_owner_that_is_not_a_user_is_2(fresh: Path, owner: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([str(fresh), f"--owner={owner}"])
    assert left.value.code == 2
    assert "expected the name or the id of a user" in capfd.readouterr().err


def test_the_program_exits_with_these_codes(fresh: Path) -> None:
    assert [ask(str(fresh)), ask(f"{fresh}.other"), ask(str(fresh), "--max-age", "0")] == [0, 1, 2]


def ask(*arguments: str) -> int:
    command = [sys.executable, "-m", "celery_gossip.health", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode
