"""Build sdist and wheel twice, from copies that differ in all but their files, and compare them byte by byte.

Also check the description in the wheel: no relative link, and none to a file that the repository does not have.
`python build_hook/verify.py`, run by `tox -e package`; needs the package `build`. Exits with 1 if a check fails.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from email import message_from_bytes, policy
from pathlib import Path

from description import broken_links

_ROOT = Path(__file__).resolve().parent.parent
_EPOCH = "1700000000"
_LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "node_modules")


def main() -> int:
    """Return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        first = _build(Path(folder, "a"), umask=0o022, age=0)
        second = _build(Path(folder, "another", "deeper"), umask=0o077, age=100_000_000)
        broken = broken_links(_description(Path(folder, "a", "dist")), _ROOT)
    for name, digest in first.items():
        print(f"{digest}  {name}")
    if first != second or len(first) != 2:
        print(f"not reproducible: {first} and {second}", file=sys.stderr)
        return 1
    if broken:
        print(f"links of the description that do not work: {broken}", file=sys.stderr)
    return 1 if broken else 0


def _build(folder: Path, umask: int, age: int) -> dict[str, str]:
    """Return `{name of an archive: SHA-256}`."""
    source, target = folder / "source", folder / "dist"
    shutil.copytree(_ROOT, source, ignore=_LEFT_OUT)
    for path in source.rglob("*"):
        stamp = path.stat().st_mtime - age
        os.utime(path, (stamp, stamp))
        path.chmod(path.stat().st_mode & ~umask)
    command = [sys.executable, "-m", "build", "--outdir", str(target), str(source)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _EPOCH}
    subprocess.run(command, check=True, env=environment, umask=umask, stdout=subprocess.DEVNULL)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(target.iterdir())}


def _description(folder: Path) -> str:
    """Return the description in the metadata of the wheel in this folder."""
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(wheel.read(name), policy=policy.default)
    return str(metadata.get_content())


if __name__ == "__main__":
    sys.exit(main())
