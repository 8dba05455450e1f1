"""A hostile peer in a process of its own: `python -m tests.support.flood URL EXCHANGE KIND RATE`, in messages a second.

It writes prebuilt commands on a raw socket until it is ended, and prints a line a second: `<sent so far>`. KIND says
what: `gossip` of one boot with a rising seq, the `same` gossip again and again, `junk`, look-alikes of an `echo`,
`large` ones of 60 KB, `names`: a new hostname each time, `boots`: a new boot each time. `fleet` is not hostile: 1,000
workers in turn, whose gossips are dated.
"""

import base64
import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from urllib.parse import urlsplit

import amqp

from celery_gossip.wire.encoding import encode
from tests.unit.build import a_check, a_gossip

TURN = 0.005  #: seconds between two bursts
SEQ, BOOT, NAME = b"1000000000000001", b"00000000000000ff", b"celery@hostname-00000000"
HOSTNAME = "celery@flooder"
SENT_AT, FLEET = 1_700_000_000.5, 1_000
KEPT: list[amqp.Connection] = []  #: from the garbage collector


def bodies(kind: str) -> Iterator[bytes]:
    """One after another, all of the same length."""
    if kind == "junk":
        return iter(lambda: b"junk" * 200, None)
    if kind == "echo":
        return (b'{"echo":"%016x","number":%016d}' % (n, 10**15 + n) for n in count())
    if kind == "fleet":
        return fleet()
    checks = tuple(a_check(queue=f"queue-{n}", active=ids(kind)) for n in range(2))
    named = {"names": NAME.decode(), "boots": HOSTNAME}.get(kind, HOSTNAME)
    body = encode(a_gossip(hostname=named, boot=BOOT.decode(), seq=int(SEQ), interval=1.0, checks=checks))
    part = {"names": NAME, "boots": BOOT, "same": b"\0"}.get(kind, SEQ)
    before, _, after = body.partition(part)
    pattern = {"names": b"celery@hostname-%08d", "boots": b"%016x"}.get(kind, b"%016d")
    first = int(SEQ) if part == SEQ else 0
    if kind == "same":
        return iter(lambda: body, None)
    return (before + pattern % n + after for n in count(first))


def fleet() -> Iterator[bytes]:
    """Each hostname in turn, and its next number when it is its turn again."""
    checks = (a_check(queue="queue-0"),)
    body = encode(a_gossip(hostname=NAME.decode(), seq=int(SEQ), sent_at=SENT_AT, interval=1.0, checks=checks))
    pattern = body.replace(b"%", b"%%").replace(NAME, b"celery@web%08d").replace(SEQ, b"%016d")
    pattern = pattern.replace(b"%.1f" % SENT_AT, b"%.1f")
    return (pattern % (n % FLEET, 10**15 + n, time.time()) for n in count())


def fleet_hostnames() -> tuple[str, ...]:
    return tuple(f"celery@web{n:08d}" for n in range(FLEET))


def ids(kind: str) -> tuple[str, ...]:
    return tuple(f"{n:036d}" for n in range(700 if kind == "large" else 4))


def redis_commands(exchange: str) -> Callable[[bytes], bytes]:
    """What publishes a body as Kombu would."""
    channel = f"/0.{exchange}".encode()
    empty = {
        "body": "",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {},
        "properties": {
            "delivery_mode": 1,
            "delivery_info": {"exchange": exchange, "routing_key": ""},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "2c6cd8ab-4b28-4e3f-9a63-5d0d2d1b1f0a",
        },
    }
    before, _, after = json.dumps(empty).encode().partition(b'""')
    head = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$" % (len(channel), channel)

    def command(body: bytes) -> bytes:
        envelope = before + b'"' + base64.b64encode(body) + b'"' + after
        return b"%b%d\r\n%b\r\n" % (head, len(envelope), envelope)

    return command


def amqp_commands(exchange: str) -> Callable[[bytes], bytes]:
    name = exchange.encode()
    method = struct.pack(">HHHB", 60, 40, 0, len(name)) + name + b"\0\0"
    json_type = b"application/json"
    properties = struct.pack(">H", 1 << 15) + bytes([len(json_type)]) + json_type

    def frame(kind: int, payload: bytes) -> bytes:
        return struct.pack(">BHI", kind, 1, len(payload)) + payload + b"\xce"

    def command(body: bytes) -> bytes:
        header = struct.pack(">HHQ", 60, 0, len(body)) + properties
        return frame(1, method) + frame(2, header) + frame(3, body)

    return command


def opened(url: str) -> socket.socket:
    """A socket on which commands may be written."""
    address = urlsplit(url)
    host = f"{address.hostname}:{address.port}"
    if address.scheme == "redis":
        return socket.create_connection((address.hostname, address.port))
    connection = amqp.Connection(host, userid=address.username, password=address.password, virtual_host="/")
    connection.connect()
    connection.channel(1)
    KEPT.append(connection)
    sock: socket.socket = connection.transport.sock
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)  # RabbitMQ holds back who is too fast
    return sock


def swallow(sock: socket.socket) -> None:
    """Answers of Redis, unread."""
    sock.setblocking(False)
    try:
        while sock.recv(1 << 20):
            pass
    except BlockingIOError:
        pass
    sock.setblocking(True)


def main(url: str, exchange: str, kind: str, rate: float) -> None:
    sock, sent, told_at = opened(url), 0, time.monotonic()
    command = (redis_commands if url.startswith("redis") else amqp_commands)(exchange)
    commands = map(command, bodies(kind))
    due, owed = time.monotonic(), 0.0
    while True:
        due, owed = due + TURN, owed % 1 + TURN * rate
        sock.sendall(b"".join(islice(commands, int(owed))))
        sent += int(owed)
        swallow(sock)
        now = time.monotonic()
        if now - told_at >= 1.0:
            told_at = now
            print(sent, flush=True)
        due = max(due, now - 1.0)  # what it cannot keep up with is not made up for
        time.sleep(max(0.0, due - now))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
