"""A TCP proxy between anybody and a broker: it can be cut, reset, stopped one way or both, slowed, and healed."""

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from urllib.parse import urlsplit

LOOK_EVERY = 0.05  #: seconds
CHUNK = 65_536  #: bytes
AT_ONCE = struct.pack("ii", 1, 0)  #: SO_LINGER: close with a reset


class Proxy:
    """Passes bytes both ways between its port and the broker's, on one thread.

    cut(): every connection is closed, and new ones at once. reset(): likewise, with a reset. swallow(): all stay open
    and nothing passes, as when a cable is pulled. hold("answers") and hold("questions"): likewise, but the other way
    goes on: half open. slow(seconds): everything comes that much later. slice(): byte by byte. heal(): all passes;
    connections that were open during a swallow() or a hold() go on where they were.
    """

    def __init__(self, broker_url: str) -> None:
        address = urlsplit(broker_url)
        self._target = (address.hostname or "127.0.0.1", address.port or (5672 if address.scheme == "amqp" else 6379))
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        before, _, after = broker_url.rpartition(f":{self._target[1]}")
        self.url = f"{before.replace(self._target[0], '127.0.0.1')}:{self.port}{after}"
        self._peers: dict[socket.socket, socket.socket] = {}
        self._inner: set[socket.socket] = set()  #: those of who connects
        self._late: deque[tuple[float, socket.socket, bytes]] = deque()
        self._delay = 0.0
        self._mode = "pass"
        self._thread = threading.Thread(target=self._run, name="test-proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def cut(self) -> None:
        self._mode = "cut"

    def reset(self) -> None:
        self._mode = "reset"

    def swallow(self) -> None:
        self._mode = "swallow"

    def hold(self, what: str) -> None:
        self._mode = what

    def slow(self, seconds: float) -> None:
        self._delay = seconds

    def slice(self) -> None:
        self._mode = "slice"

    def heal(self) -> None:
        self._mode, self._delay = "pass", 0.0

    def close(self) -> None:
        self._mode = "end"
        self._thread.join()
        self._door.close()

    def _run(self) -> None:
        while self._mode != "end":
            with selectors.DefaultSelector() as selector:
                for each in self._heard():
                    selector.register(each, selectors.EVENT_READ)
                ready = [key.fileobj for key, _ in selector.select(LOOK_EVERY if not self._late else 0.005)]
            if self._mode in ("cut", "reset"):
                self._hang_up_all()
            for each in self._heard() & set(ready):  # the mode may have changed meanwhile
                self._attend(each)  # type: ignore[arg-type]
            self._pass_on_late()
        self._hang_up_all()

    def _heard(self) -> set[socket.socket]:
        """Whom it reads from; of the others the kernel keeps what they say, and nobody answers."""
        if self._mode == "swallow":
            return set()
        if self._mode == "answers":
            return {self._door, *self._inner}
        if self._mode == "questions":
            return {self._door, *(set(self._peers) - self._inner)}
        return {self._door, *self._peers}

    def _attend(self, ready: socket.socket) -> None:
        if ready is self._door:
            self._accept()
        elif ready in self._peers:
            self._read(ready)

    def _accept(self) -> None:
        inner, _ = self._door.accept()
        if self._mode in ("cut", "reset", "end"):
            self._close(inner)
            return
        try:
            outer = socket.create_connection(self._target, 1)
        except OSError:
            inner.close()
            return
        for each in (inner, outer):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers[inner], self._peers[outer] = outer, inner
        self._inner.add(inner)

    def _read(self, source: socket.socket) -> None:
        try:
            data = source.recv(CHUNK)
        except OSError:
            data = b""
        if not data:
            self._hang_up(source)
        elif self._delay or self._late:
            self._late.append((time.monotonic() + self._delay, source, data))
        else:
            self._pass_on(source, data)

    def _pass_on_late(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            _, source, data = self._late.popleft()
            if source in self._peers:
                self._pass_on(source, data)

    def _pass_on(self, source: socket.socket, data: bytes) -> None:
        size = 1 if self._mode == "slice" else len(data)
        try:
            for at in range(0, len(data), size):
                self._peers[source].sendall(data[at : at + size])
        except OSError:
            self._hang_up(source)

    def _hang_up(self, source: socket.socket) -> None:
        peer = self._peers.pop(source)
        self._peers.pop(peer, None)
        self._inner -= {source, peer}
        for each in (source, peer):
            self._close(each)

    def _close(self, each: socket.socket) -> None:
        if self._mode == "reset":
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        each.close()

    def _hang_up_all(self) -> None:
        while self._peers:
            self._hang_up(next(iter(self._peers)))


@contextlib.contextmanager
def proxied(broker_url: str) -> Iterator[Proxy]:
    """A proxy before this broker; `url` is where to connect."""
    proxy = Proxy(broker_url)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()
