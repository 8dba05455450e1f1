"""Files with secrets: who may read them, and errors that show nothing of them."""

from pathlib import Path

import pytest

from celery_gossip import InvalidOption
from celery_gossip.cli.secret_file import read_secret_lines


def a_file(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "secrets"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_lines_have_their_numbers_and_comments_are_left_out(tmp_path: Path) -> None:
    path = a_file(tmp_path, b"\xef\xbb\xbf# ours\r\n\r\n  first \r\nsecond")
    assert read_secret_lines("--file", path, "a line") == [(3, "first"), (4, "second")]


@pytest.mark.parametrize("mode", [0o604, 0o606, 0o620, 0o644])
def test_a_file_that_others_may_read_or_its_group_may_change_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(InvalidOption, match=f"--file: expected a file that other users cannot read .* mode {mode:o}"):
        read_secret_lines("--file", a_file(tmp_path, b"s3cret", mode), "a line")


@pytest.mark.parametrize("content", [b"", b"# none\n", b"\xff\xfes3cret", b"s3cret\n" * 10_000])
def test_a_file_without_a_line_that_can_be_used_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidOption) as refused:
        read_secret_lines("--file", path := a_file(tmp_path, content), "a line with a token")
    assert str(refused.value) == f"--file: expected a line with a token, got {path!r}"


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="--file: cannot read '/no/such/file': No such file or directory"):
        read_secret_lines("--file", "/no/such/file", "a line")
    with pytest.raises(InvalidOption, match="--file: cannot read .*: Is a directory"):
        read_secret_lines("--file", str(tmp_path), "a line")
