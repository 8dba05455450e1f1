"""What each target begins with: bytes as an honest worker, listener or Kombu would send them, and some near misses."""

import base64
import json
import struct

from celery_gossip.wire.encoding import encode, encode_echo
from celery_gossip.wire.messages import (
    Echo,
    HeldMessage,
    PoolProcesses,
    Profile,
    Resources,
    SentCount,
    SentReport,
    Setting,
    Settings,
    Software,
    TaskFailure,
    TaskNames,
    WaitingTask,
)
from tests.fuzz.peer import METHOD, amqp_delivery, amqp_frame
from tests.unit.build import BOOT, OTHER_BOOT, a_check, a_gossip, a_histogram, a_series, wire

JSON = b"application/json"
FAILURE = TaskFailure(9, 1, 0, 2, "id-1", 1.5, 0.25, 3, "größe: 7", (3, 3), 1)
SOFTWARE = Software(
    release="v41",
    celery="5.7.0",
    registry="0123456789abcdef",
    tasks=9,
    settings=Settings(task_acks_late=True, worker_prefetch_multiplier=4, visibility_timeout=3600.0),
)

PROFILE = Profile(
    pid=7,
    age=61.5,
    settings=(Setting("timezone", "UTC"), Setting("enable_utc", True), Setting("broker_heartbeat", 2.5)),
    tasks=TaskNames("0123456789abcdef", 1, 0, ("shop.pack",)),
)


def gossips() -> list[bytes]:
    busy = a_check(active=("id-1", "id-2"), active_count=2, reserved=3, scheduled=4, shutdown_started_at=5.0)
    series = a_series(
        received=9,
        started=8,
        succeeded=3,
        failed={"KeyError": 2, "größe": 1},
        runtime=a_histogram((0, 1, 1), (700, 2, 0)),
        wait=a_histogram((9, 7, 7), count=9, total=1e9),
    )
    return [
        encode(a_gossip()),
        encode(
            a_gossip(state="draining", stalled_for=1.5, prefetch_count=None, checks=(busy, a_check("größe 日本語")))
        ),
        encode(a_gossip(state="offline", seq=7, checks=())),
        encode(a_gossip(checks=(a_check(), a_check("mail")), newest=(0.3, 4000), deferred=2, undecodable=1)),
        encode(a_gossip(series=(series, a_series(queue="", task="send")), overflowed=3, skewed=4, limited=2)),
        encode(a_gossip(software=SOFTWARE, held=(HeldMessage("größe", "t", "id", "scheduled", 1.5, 7200.0),))),
        encode(a_gossip(resources=Resources(1, 2, 2, 0.5, 9, 5, PoolProcesses(4, 0, 0, 0, 1, 0, -9)))),
        encode(a_gossip(resources=Resources())),
        encode(a_gossip(profile=PROFILE)),
        encode(a_gossip(profile=Profile(tasks=TaskNames("a" * 16, 3, 1, ("größe", "y"))))),
        encode(a_gossip(names=("größe", "t", "e", "m:f:1"), failures=(FAILURE, TaskFailure(1, 1, 0, 2, "", 0.0)))),
        encode(
            a_gossip(names=("größe", "q"), waiting=(WaitingTask("id", 0, 1, "scheduled", 1.5, 2, 60.0),), scheduled=1)
        ),
        encode_echo(Echo(echo=BOOT, number=7)),
        encode_echo(
            Echo(
                echo=BOOT,
                number=8,
                sent=SentReport(
                    app="shop",
                    period=9.5,
                    names=("größe", "shop.pack"),
                    counts=(SentCount(0, 1, 7, 2, 30.0), SentCount(1, 1, 1, 0, 0.0, True)),
                    is_last=True,
                ),
            )
        ),
        wire(v=2),
    ]


def envelopes() -> list[bytes]:
    """As Kombu's Redis transport writes them."""
    bodies = [(base64.b64encode(body).decode(), "base64") for body in gossips()]
    bodies.append((gossips()[0].decode(), "utf-8"))
    return [
        json.dumps(
            {
                "body": body,
                "content-encoding": "utf-8",
                "content-type": JSON.decode(),
                "headers": {},
                "properties": {
                    "delivery_mode": 1,
                    "delivery_info": {"exchange": "x", "routing_key": ""},
                    "priority": 0,
                    "body_encoding": encoding,
                    "delivery_tag": "2c6cd8ab-4b28-4e3f-9a63-5d0d2d1b1f0a",
                },
            }
        ).encode()
        for body, encoding in bodies
    ]


def amqp_messages() -> list[bytes]:
    """Properties and body, as packed() puts them together."""
    body = gossips()[0]
    plain = _flags(15) + _short(JSON)
    headers = _flags(15, 13) + _short(JSON)
    tables = (
        b"",
        _entry(b"compression", b"S" + _long(b"gzip")),
        _entry(b"at", b"T" + struct.pack(">Q", 1_700_000_000)),
        _entry(b"deep", b"F" + _long(_entry(b"list", b"A" + _long(b"t\x01I" + bytes(4) + b"V")))),
        _entry(b"number", b"D\x02" + bytes(4))
        + _entry(b"bytes", b"x" + _long(b"\xff"))
        + _entry(b"f", b"d" + bytes(8)),
    )
    every = _flags(*range(2, 16)) + _short(JSON) + _short(b"utf-8") + _long(b"") + b"\x01\x00"
    every += b"".join(map(_short, (b"id", b"to", b"3000", b"mid"))) + struct.pack(">Q", 1) + _short(b"t") * 4
    messages = [(plain, body), (plain, b""), (_flags(), body), (every, body), (_flags(15) + _short(b"\xff\xfe"), body)]
    messages += [(headers + _long(table), body) for table in tables]
    return [packed(*message) for message in messages]


def conversations() -> list[bytes]:
    """Several gossips, one a line, each after a digit that says how long it came later; see target.cluster."""
    two = [encode(a_gossip(seq=seq, boot=boot)) for seq in range(1, 6) for boot in (BOOT, OTHER_BOOT)]
    counted = [encode(a_gossip(seq=seq, series=(a_series(received=seq, succeeded=seq),))) for seq in range(1, 6)]
    tasks = tuple(a_series(task=f"t{n}", age=0.0, succeeded=1, runtime=a_histogram((n, 1, 1))) for n in range(60))
    many = [encode(a_gossip(hostname=f"celery@w{n}", series=tasks)) for n in range(2)]
    busy = (a_check(active=("id",), active_count=1),)
    fleet = [encode(a_gossip(hostname=f"celery@w{n}", checks=busy)) for n in range(6)]
    end = [
        encode(a_gossip(seq=seq, state=state)) for seq, state in enumerate(("online", "draining", "offline"), start=9)
    ]
    failing = [
        encode(a_gossip(seq=seq, names=("q", "t", "e"), failures=(TaskFailure(7 * seq, 1, 0, 2, "id", 1.0),)))
        for seq in range(1, 6)
    ]
    talks = (failing, two, counted, many, [*fleet, *end], [*fleet[:2], b"isolate", *end, b"heal", *counted])
    return [b"\n".join(b"%d" % (n % 7) + body for n, body in enumerate(talk)) for talk in talks]


def packed(properties: bytes, body: bytes) -> bytes:
    return struct.pack(">H", len(properties)) + properties + body


def unpacked(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:2], "big")
    return data[2 : 2 + size], data[2 + size :]


def _flags(*bits: int) -> bytes:
    return struct.pack(">H", sum(1 << bit for bit in bits))


def _short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _entry(name: bytes, value: bytes) -> bytes:
    return _short(name) + value


def replies() -> list[bytes]:
    """What Redis says to a subscriber."""
    topic = b"$16\r\n/0.celery_gossip\r\n"
    message = b"4\r\n$8\r\npmessage\r\n" + 2 * topic + b"$3\r\nabc\r\n"
    return [
        *(b"*" + message, b">" + message, b"*3\r\n$10\r\npsubscribe\r\n" + topic + b":1\r\n"),
        *(
            b"-ERR no\r\n",
            b"+PONG\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"%1\r\n+a\r\n:1\r\n",
            b"#t\r\n",
            b",1.5\r\n",
            b"_\r\n",
        ),
    ]


def frames() -> list[bytes]:
    """What RabbitMQ sends to a consumer, and answers to questions that were not asked."""
    body = gossips()[0]
    delivery = amqp_delivery(1, _flags(15) + _short(JSON), body)
    close = amqp_frame(METHOD, 0, struct.pack(">HHH", 10, 50, 320) + _short(b"CONNECTION_FORCED") + bytes(4))
    channel_close = amqp_frame(METHOD, 1, struct.pack(">HHH", 20, 40, 406) + _short(b"PRECONDITION_FAILED") + bytes(4))
    return [
        delivery,
        close,
        amqp_frame(8, 0, b""),
        delivery[:20],
        amqp_frame(METHOD, 1, struct.pack(">HH", 60, 30) + b"\x01t\x00"),
        channel_close,
        amqp_frame(METHOD, 0, struct.pack(">HH", 10, 60) + _short(b"low on memory")),
        amqp_frame(METHOD, 1, struct.pack(">HH", 20, 20) + b"\x01"),
        *(
            amqp_frame(METHOD, channel, struct.pack(">HH", *method) + _short(b"t"))
            for channel, method in ((0, (10, 51)), (1, (20, 41)), (1, (60, 31)), (0, (10, 10)))
        ),
    ]
