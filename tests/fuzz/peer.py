"""Brokers that a test can make say anything: just as much of the protocol as a Subscription asks for, on a thread."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

QUEUE, TAG = b"q", b"t"
METHOD, HEADER, BODY = 1, 2, 3  #: kinds of AMQP's frames


class Peer:
    """Listens on a port of its own; `subscriber` is the connection that waits for messages, once it is_subscribed."""

    scheme = ""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"{self.scheme}://127.0.0.1:{self._door.getsockname()[1]}//"
        self.subscriber: Any = None
        self.is_subscribed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def say_raw(self, data: bytes) -> None:
        self.subscriber.sendall(data)

    def hang_up(self) -> None:
        """What was said is still read; nothing comes after it."""
        with contextlib.suppress(OSError):
            self.subscriber.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._door.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), connection, connection.makefile("rb") as stream:
            self.greet(connection, stream)
            for answer in self.answers(connection, stream):
                connection.sendall(answer)

    def greet(self, connection: socket.socket, stream: Any) -> None: ...

    def answers(self, connection: socket.socket, stream: Any) -> Iterator[bytes]:
        raise NotImplementedError


class RedisPeer(Peer):
    """Answers the commands of a subscriber; say() is a PUBLISH on the channel that it has subscribed to."""

    scheme = "redis"

    def __init__(self) -> None:
        super().__init__()
        self.topic = b""
        self._push = b"*"  # the newer protocol, which a client asks for, marks what was not asked for

    def say(self, payload: bytes) -> None:
        message = (b"pmessage", self.topic, self.topic, payload)
        self.subscriber.sendall(self._push + b"4\r\n" + b"".join(map(_text, message)))

    def answers(self, connection: socket.socket, stream: Any) -> Iterator[bytes]:
        queued: int | None = None  # commands since MULTI
        while True:
            words = [_bulk(stream) for _ in range(_number(stream, b"*"))]
            command = words[0].upper()
            if command == b"EXEC":
                yield b"*%d\r\n" % (queued or 0) + b":0\r\n" * (queued or 0)
                queued = None
            elif queued is not None:
                queued += 1
                yield b"+QUEUED\r\n"
            elif command == b"MULTI":
                queued = 0
                yield b"+OK\r\n"
            else:
                yield self._answer(command, words[1:], connection)

    def _answer(self, command: bytes, words: list[bytes], connection: socket.socket) -> bytes:
        if command == b"HELLO":
            self._push = b">"
            return b"%1\r\n" + _text(b"proto") + b":" + words[0] + b"\r\n"
        if command == b"PSUBSCRIBE":
            self.topic, self.subscriber = words[0], connection
            self.is_subscribed.set()
            return self._push + b"3\r\n" + _text(b"psubscribe") + _text(words[0]) + b":1\r\n"
        return {b"PING": b"+PONG\r\n", b"SADD": b":1\r\n", b"SMEMBERS": b"*0\r\n"}.get(command, b"+OK\r\n")


def _number(stream: Any, mark: bytes) -> int:
    line = stream.readline()
    if line[:1] != mark:
        raise EOFError
    return int(line[1:])


def _bulk(stream: Any) -> bytes:
    text: bytes = stream.read(_number(stream, b"$"))
    stream.readline()
    return text


def _text(word: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(word), word)


#: What each method is answered with, its own arguments included.
_ANSWERS = {
    (10, 11): ((10, 30), struct.pack(">HIH", 2047, 131_072, 0)),
    (10, 40): ((10, 41), b"\0"),
    (10, 50): ((10, 51), b""),
    (20, 10): ((20, 11), b"\0\0\0\0"),
    (20, 40): ((20, 41), b""),
    (40, 10): ((40, 11), b""),
    (50, 10): ((50, 11), b"\1" + QUEUE + bytes(8)),
    (50, 20): ((50, 21), b""),
    (60, 10): ((60, 11), b""),
    (60, 20): ((60, 21), b"\1" + TAG),
}


class AmqpPeer(Peer):
    """Answers the methods of a consumer; say() delivers it a message with these very bytes for properties."""

    scheme = "amqp"

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    def say(self, properties: bytes, body: bytes) -> None:
        self._number += 1
        self.subscriber.sendall(amqp_delivery(self._number, properties, body))

    def greet(self, connection: socket.socket, stream: Any) -> None:
        stream.read(8)
        start = struct.pack(">HHBB", 10, 10, 0, 9) + bytes(4) + struct.pack(">I", 5) + b"PLAIN" + struct.pack(">I", 5)
        connection.sendall(amqp_frame(METHOD, 0, start + b"en_US"))

    def answers(self, connection: socket.socket, stream: Any) -> Iterator[bytes]:
        while True:
            head = stream.read(7)
            if len(head) < 7:
                raise EOFError
            kind, channel, size = struct.unpack(">BHI", head)
            method = struct.unpack(">HH", stream.read(size + 1)[:4])
            if kind == METHOD and method in _ANSWERS:
                if method == (60, 20):
                    self.subscriber, self._number = connection, 0
                    self.is_subscribed.set()
                answer, arguments = _ANSWERS[method]
                yield amqp_frame(METHOD, channel, struct.pack(">HH", *answer) + arguments)


def amqp_frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def amqp_delivery(number: int, properties: bytes, body: bytes) -> bytes:
    """The frames of one message."""
    deliver = struct.pack(">HH", 60, 60) + b"\1" + TAG + struct.pack(">QB", number, 0) + b"\1x\0"
    header = struct.pack(">HHQ", 60, 0, len(body)) + properties
    frames = amqp_frame(METHOD, 1, deliver) + amqp_frame(HEADER, 1, header)
    return frames + (amqp_frame(BODY, 1, body) if body else b"")
