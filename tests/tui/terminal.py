"""A process in a pseudo-terminal."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from pathlib import Path


class Terminal:
    """Start the command in a pseudo-terminal; `output` is everything it wrote, escape sequences included."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=far, stdout=far, stderr=far, start_new_session=True
        )
        os.close(far)
        self._written = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return self._written.decode(errors="replace")

    def press(self, keys: str) -> None:
        os.write(self._near, keys.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(timeout=5)
        os.close(self._near)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: the last process that had it open has ended
            while written := os.read(self._near, 65_536):
                self._written += written
