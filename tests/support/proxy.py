"""A TCP proxy between a listener and its broker: it can be cut, turned into a black hole, and healed."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

LOOK_EVERY = 0.05  #: seconds
CHUNK = 65_536  #: bytes


class Proxy:
    """Passes bytes both ways between its port and the broker's, on one thread.

    cut(): every connection is closed, and new ones at once. swallow(): all stay open and nothing passes, as when a
    cable is pulled. heal(): new connections pass; those that were open during a swallow() go on where they were.
    """

    def __init__(self, broker_url: str) -> None:
        address = urlsplit(broker_url)
        self._target = (address.hostname or "127.0.0.1", address.port or (5672 if address.scheme == "amqp" else 6379))
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        before, _, after = broker_url.rpartition(f":{self._target[1]}")
        self.url = f"{before.replace(self._target[0], '127.0.0.1')}:{self.port}{after}"
        self._peers: dict[socket.socket, socket.socket] = {}
        self._mode = "pass"
        self._thread = threading.Thread(target=self._run, name="test-proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def cut(self) -> None:
        self._mode = "cut"

    def swallow(self) -> None:
        self._mode = "swallow"

    def heal(self) -> None:
        self._mode = "pass"

    def close(self) -> None:
        self._mode = "end"
        self._thread.join()
        self._door.close()

    def _run(self) -> None:
        while self._mode != "end":
            with selectors.DefaultSelector() as selector:
                for each in (self._door, *self._peers):
                    selector.register(each, selectors.EVENT_READ)
                if self._mode == "swallow":
                    selector.unregister(self._door)  # the kernel accepts, nobody answers
                    for peer in self._peers:
                        selector.unregister(peer)
                ready = [key.fileobj for key, _ in selector.select(LOOK_EVERY)]
            if self._mode == "cut":
                self._hang_up_all()
            if self._mode != "swallow":
                for each in ready:
                    self._attend(each)  # type: ignore[arg-type]
        self._hang_up_all()

    def _attend(self, ready: socket.socket) -> None:
        if ready is self._door:
            self._accept()
        elif ready in self._peers:
            self._pass_on(ready)

    def _accept(self) -> None:
        inner, _ = self._door.accept()
        if self._mode != "pass":
            inner.close()
            return
        try:
            outer = socket.create_connection(self._target, 1)
        except OSError:
            inner.close()
            return
        self._peers[inner], self._peers[outer] = outer, inner

    def _pass_on(self, source: socket.socket) -> None:
        try:
            data = source.recv(CHUNK)
            self._peers[source].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._hang_up(source)

    def _hang_up(self, source: socket.socket) -> None:
        peer = self._peers.pop(source)
        self._peers.pop(peer, None)
        for each in (source, peer):
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
