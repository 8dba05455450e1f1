"""The bytes of an sdist and of a wheel depend on their files alone, not on who builds them, where and when."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    sys.path.insert(0, str(ROOT / "build_hook"))
    try:
        import reproducible
    finally:
        sys.path.pop(0)
    return reproducible


def an_sdist(path: Path, order: int, mode: int, mtime: float, owner: str) -> Path:
    members = [("p-1", None), ("p-1/b.py", b"b"), ("p-1/a.py", b"a" * 3000), ("p-1/run", b"#!")]
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members[::order]:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            member.size, member.mtime, member.uname, member.uid = len(content or b""), mtime, owner, len(owner)
            member.mode = mode | (0o100 if name.endswith("run") else 0)
            tar.addfile(member, io.BytesIO(content or b""))
    return path


def a_wheel(path: Path, mode: int, year: int) -> Path:
    with zipfile.ZipFile(path, "w") as wheel:
        for name in ("p/b.py", "p/a.py", "p-1.dist-info/RECORD"):
            member = zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0))
            member.external_attr = (0o100000 | mode) << 16
            wheel.writestr(member, name * 100)
    return path


def test_sdists_of_the_same_files_are_the_same(hook: ModuleType, tmp_path: Path) -> None:
    one = an_sdist(tmp_path / "one.tar.gz", 1, 0o644, 1e9, "root")
    other = an_sdist(tmp_path / "other.tar.gz", -1, 0o600, 1.5e9 + 0.25, "ann")
    for path in (one, other):
        hook.normalize_sdist(str(path), 1_700_000_000)
    assert one.read_bytes() == other.read_bytes()
    with tarfile.open(one) as tar:
        assert [(member.name, oct(member.mode)) for member in tar] == [
            ("p-1", "0o755"),
            ("p-1/a.py", "0o644"),
            ("p-1/b.py", "0o644"),
            ("p-1/run", "0o755"),
        ]
        assert {member.mtime for member in tar} == {1_700_000_000}
        content = tar.extractfile("p-1/a.py")
        assert content is not None and content.read() == b"a" * 3000
    assert len(list(tmp_path.iterdir())) == 2


def test_wheels_of_the_same_files_are_the_same(hook: ModuleType, tmp_path: Path) -> None:
    one, other = a_wheel(tmp_path / "one.whl", 0o664, 2020), a_wheel(tmp_path / "other.whl", 0o600, 2026)
    for path in (one, other):
        hook.normalize_wheel(str(path), 1_700_000_000)
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as wheel:
        assert wheel.namelist() == ["p/b.py", "p/a.py", "p-1.dist-info/RECORD"] and wheel.testzip() is None
        assert wheel.read("p/a.py") == b"p/a.py" * 100


def test_a_link_in_an_sdist_is_an_error(hook: ModuleType, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "one.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("p-1/link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(ValueError, match="p-1/link: expected a regular file"):
        hook.normalize_sdist(str(tmp_path / "one.tar.gz"), 1_700_000_000)


@pytest.mark.parametrize(
    ("text", "epoch"), [(None, None), ("", None), ("0", 315_532_800), ("1700000000", 1_700_000_000)]
)
def test_the_time_is_source_date_epoch(hook: ModuleType, text: str | None, epoch: int | None) -> None:
    assert hook.epoch_of({} if text is None else {"SOURCE_DATE_EPOCH": text}) == epoch


def test_a_time_that_is_none_is_an_error(hook: ModuleType) -> None:
    with pytest.raises(ValueError, match="yesterday"):
        hook.epoch_of({"SOURCE_DATE_EPOCH": "yesterday"})
