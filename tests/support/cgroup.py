"""A cgroup with a memory limit, for a worker that is to be killed by the kernel; needs root and version 1 or 2."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

__all__ = ["memory_limited"]

_MOUNT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def memory_limited(limit: int) -> Iterator[tuple[str, ...]]:
    """Yield a command that runs its arguments within this limit, in bytes. Skip the test if that is not possible."""
    version_1 = (_MOUNT / "memory").is_dir()
    folder = (_MOUNT / "memory" if version_1 else _MOUNT) / f"gossip_test_{uuid4().hex[:8]}"
    try:
        folder.mkdir()
    except OSError as exc:
        pytest.skip(f"no cgroup can be made: {exc}")
    try:
        try:
            (folder / ("memory.limit_in_bytes" if version_1 else "memory.max")).write_text(str(limit))
        except OSError as exc:
            pytest.skip(f"no limit can be set: {exc}")
        yield "sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh"
    finally:
        for _ in range(100):  # until its processes are gone
            with contextlib.suppress(OSError):
                os.rmdir(folder)
                break
            time.sleep(0.1)
