"""Where packets vanish: an address that swallows what would connect to it, and a name server that never answers."""

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MuteNameServer", "black_hole", "mute_name_server", "why_no_name_server"]

#: Of this process alone: each needs port 53.
_NAME_SERVER = f"127.53.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}"


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port of 127.0.0.1 whose SYNs Linux drops: somebody listens there, accepts nobody, and the queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while is_accepted(listener.getsockname()[1], stack):
            pass
        yield int(listener.getsockname()[1])


def is_accepted(port: int, stack: contextlib.ExitStack) -> bool:
    try:
        stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=0.5))
    except TimeoutError:
        return False
    return True


@dataclass(frozen=True)
class MuteNameServer:
    """Takes every question and answers none."""

    wrapper: tuple[str, ...]  #: a command that runs another one, which asks this name server
    questions: socket.socket

    @property
    def was_asked(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return bool(self.questions.recv(512))
        return False


@contextlib.contextmanager
def mute_name_server(folder: Path) -> Iterator[MuteNameServer]:
    """Known only to what runs under its wrapper, in a mount namespace of its own."""
    file = folder / "resolv.conf"
    file.write_text(f"nameserver {_NAME_SERVER}\n")
    bind_mount = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    with socket.socket(type=socket.SOCK_DGRAM) as questions:
        questions.bind((_NAME_SERVER, 53))
        questions.setblocking(False)
        yield MuteNameServer(("unshare", "--mount", "sh", "-c", bind_mount, str(file)), questions)


def why_no_name_server() -> str:
    """Why mute_name_server() cannot run here; empty where it can."""
    if os.geteuid() != 0:
        return "it takes root to give a worker another /etc/resolv.conf"
    return "" if shutil.which("unshare") else "unshare is not installed"
