"""Rewrite an sdist or a wheel so that its bytes depend on its files alone. Called by backend.py.

setuptools copies the times, owners and modes of the files that it packs, and the time of the build. Here times become
SOURCE_DATE_EPOCH, owners root, modes 0644 or 0755, and members are sorted. The compression is zlib's: with another
implementation of zlib the archive may differ, its content does not.
"""

import gzip
import os
import tarfile
import time
import zipfile
from collections.abc import Mapping

__all__ = ["epoch_of", "normalize_sdist", "normalize_wheel"]

_LEAST_EPOCH = 315_532_800  # 1980-01-01: the earliest time in a zip file


def epoch_of(environ: Mapping[str, str]) -> int | None:
    """Return SOURCE_DATE_EPOCH in seconds, 1980-01-01 at least; None where it is not set. Raises ValueError."""
    text = environ.get("SOURCE_DATE_EPOCH", "")
    return max(int(text), _LEAST_EPOCH) if text else None


def normalize_sdist(path: str, epoch: int) -> None:
    """Rewrite this .tar.gz."""
    draft = f"{path}.tmp"
    with (
        tarfile.open(path, "r:gz") as source,
        open(draft, "wb") as raw,
        # Without a file name, which gzip would write to the header.
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=lambda member: member.name):
            target.addfile(_plain_member(member, epoch), source.extractfile(member))
    os.replace(draft, path)


def normalize_wheel(path: str, epoch: int) -> None:
    """Rewrite this wheel; the order of its members stays: RECORD is the last."""
    draft = f"{path}.tmp"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for member in source.infolist():
            plain = zipfile.ZipInfo(member.filename, time.gmtime(epoch)[:6])
            plain.compress_type = zipfile.ZIP_DEFLATED
            plain.create_system = 3  # Unix, or the mode would not count
            plain.external_attr = (0o100000 | _plain_mode(member.external_attr >> 16)) << 16
            target.writestr(plain, source.read(member))
    os.replace(draft, path)


def _plain_member(member: tarfile.TarInfo, epoch: int) -> tarfile.TarInfo:
    if not member.isfile() and not member.isdir():
        raise ValueError(f"{member.name}: expected a regular file or a directory")
    plain = tarfile.TarInfo(member.name)
    plain.type, plain.size, plain.mtime = member.type, member.size, epoch
    plain.mode = 0o755 if member.isdir() else _plain_mode(member.mode)
    plain.uname = plain.gname = "root"
    return plain


def _plain_mode(mode: int) -> int:
    return 0o755 if mode & 0o100 else 0o644
