"""Anybody may publish anything on the gossip exchange: it is counted and signalled, and changes nothing else."""

import base64
import gzip
import json
import pickle
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

import amqp
import pytest

from celery_gossip import Listener, signals
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import MAX_BYTES, REASONS
from tests.integration.conftest import KINDS
from tests.integration.corner import Corner, corner_of
from tests.support import eventually
from tests.unit.build import BOOT, a_gossip, a_wire_gossip, wire

VALID_WORKER = a_gossip().hostname
STRANGER = "celery@stranger"


class Scene:
    """A listener that hears a valid worker, and strangers; shared by the tests of one broker."""

    def __init__(self, corner: Corner, listener: Listener) -> None:
        self.corner, self.listener = corner, listener
        self.reasons: list[str] = []

    def on_rejected(self, sender: Any, reason: str) -> None:
        self.reasons.append(reason)

    def assert_rejected(self, publish: Any) -> str:
        """Publish it between two gossips of a valid worker: it is refused once, they are heard. Gives the reason."""
        self.assert_valid_worker_is_heard()
        told, counted = len(self.reasons), self.listener.rejected.total()
        publish()

        def is_rejected() -> None:
            assert len(self.reasons) > told, f"not refused, {self.listener.error!r}"

        eventually(is_rejected, timeout=5, every=0.02)
        self.assert_valid_worker_is_heard()
        new = self.reasons[told:]
        if self.corner.kind == "filesystem" and "transport" in new:  # read while it was still being written
            return self.assert_rejected(publish)
        assert len(new) == 1 and new[0] in REASONS
        assert self.listener.rejected.total() == counted + 1
        return new[0]

    def assert_valid_worker_is_heard(self) -> None:
        self.corner._seq += 1
        seq = self.corner._seq

        def is_heard() -> None:
            self.corner.say(seq=seq)  # again, if a listener that reconnects has missed it
            eventually(is_fresh, timeout=1, every=0.02)

        def is_fresh() -> None:
            states = {view.gossip.hostname: view for view in self.listener.cluster.workers()}
            assert VALID_WORKER in states, "the valid worker is not in the view"
            worker = states[VALID_WORKER]
            assert (worker.gossip.seq, worker.state) == (seq, "online") and worker.age < 5
            assert STRANGER not in states, "a stranger is in the view"

        eventually(is_heard, timeout=10)


@pytest.fixture(scope="module", params=KINDS)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    yield from a_scene(request.param, tmp_path_factory)


@pytest.fixture(scope="module", params=[pytest.param("redis", marks=pytest.mark.redis)])
def redis_scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    yield from a_scene(request.param, tmp_path_factory)


@pytest.fixture(scope="module", params=[pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def amqp_scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    yield from a_scene(request.param, tmp_path_factory)


def a_scene(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    corner = corner_of(kind, tmp_path_factory.mktemp(kind))
    with corner.listener() as listener:
        scene = Scene(corner, listener)
        with signals.gossip_rejected.connected_to(scene.on_rejected, sender=corner.app):
            yield scene
    corner.clean()


@cache
def bomb() -> bytes:
    """50 MB of blanks in 50 kB."""
    return gzip.compress(b" " * 50_000_000)


# Bodies, on every broker.

VALID = encode(a_gossip(hostname=STRANGER))


def without(field: str) -> bytes:
    gossip = a_wire_gossip()
    del gossip[field]
    return json.dumps(gossip).encode()


BODIES = {
    "not JSON": (b"hello", "malformed"),
    "empty": (b"", "malformed"),
    "binary": (bytes(range(256)), "malformed"),
    "truncated": (VALID[:-10], "malformed"),
    "a scalar": (b"42", "invalid"),
    "null": (b"null", "invalid"),
    "a list": (b"[1, 2, 3]", "invalid"),
    "an empty object": (b"{}", "invalid"),
    "a task": (b'[[1], {"a": 2}, {"callbacks": null}]', "invalid"),
    "an event": (b'{"type": "worker-heartbeat", "hostname": "celery@w1"}', "invalid"),
    "10 MB": (b" " * 10 * 1024 * 1024, "oversized"),
    "a little too long": (VALID.ljust(MAX_BYTES + 1), "oversized"),
    "deeply nested": (b'{"v":1,"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "malformed"),
    "NaN": (VALID.replace(b'"sent_at":1001.0', b'"sent_at":NaN'), "malformed"),
    "infinity": (VALID.replace(b'"sent_at":1001.0', b'"sent_at":1e400'), "invalid"),
    "an endless interval": (wire(interval=1e300), "invalid"),
    "a surrogate": (VALID.replace(b"stranger", b"\\ud800"), "malformed"),
    "not UTF-8": (VALID.replace(b"stranger", b"\xff\xfe"), "malformed"),
    "control characters": (wire(hostname="celery@\x1b[2J"), "text"),
    "a line break": (wire(app="shop\nERROR forged"), "text"),
    "a line break in the boot": (wire(boot=BOOT + "\n"), "invalid"),
    "a wrong type": (wire(seq="1"), "invalid"),
    "a negative count": (wire(active=-1), "invalid"),
    "a missing field": (without("checks"), "invalid"),
    "another version": (wire(v=2), "version"),
    "another version altogether": (b'{"v": 99}', "version"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_gossip_is_refused(scene: Scene, name: str) -> None:
    body, reason = BODIES[name]
    assert scene.assert_rejected(lambda: scene.corner.inject(body)) == reason


@pytest.mark.parametrize(
    "content_type",
    ["application/x-python-serialize", "text/plain", "application/x-yaml", "APPLICATION/JSON", "größe", "\n"],
)
def test_a_body_that_is_not_announced_as_json_is_refused(scene: Scene, content_type: str) -> None:
    assert scene.assert_rejected(lambda: scene.corner.inject(VALID, content_type)) == "content_type"


def test_a_pickle_is_never_loaded(scene: Scene) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (pytest.exit, ("a pickle was loaded",))

    body = pickle.dumps(Bomb())
    assert scene.assert_rejected(lambda: scene.corner.inject(body, "application/x-python-serialize")) == "content_type"


@pytest.mark.parametrize(
    "method", ["application/x-gzip", "gzip", "application/x-bz2", "application/x-lzma", "nosuch", ""]
)
def test_a_compressed_body_is_refused_and_never_unpacked(
    scene: Scene, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpack(*args: Any) -> Any:
        raise SystemExit("a bomb was unpacked")

    monkeypatch.setattr("kombu.message.decompress", unpack)
    monkeypatch.setattr(gzip, "decompress", unpack)
    headers = {"compression": method}
    assert scene.assert_rejected(lambda: scene.corner.inject(bomb(), headers=headers)) == "compressed"


@pytest.mark.parametrize("headers", [{"a": "b" * 1000}, {"deep": {"a": {"b": [1, [2]]}}}, {"größe\n": None}], ids=repr)
def test_strange_headers_alone_are_ignored(scene: Scene, headers: dict[str, Any]) -> None:
    refused = scene.listener.rejected.total()
    scene.corner._seq += 1
    scene.corner.inject(encode(a_gossip(seq=scene.corner._seq)), headers=headers)
    scene.assert_valid_worker_is_heard()
    assert scene.listener.rejected.total() == refused


def test_a_flood_is_refused_message_by_message_and_the_valid_worker_stays(scene: Scene) -> None:
    told = len(scene.reasons)
    for n in range(10):
        scene.corner.inject(f"junk {n}".encode())
        scene.assert_valid_worker_is_heard()
    eventually(lambda: assert_count([reason for reason in scene.reasons[told:] if reason == "malformed"], 10))


def assert_count(items: list[Any], expected: int) -> None:
    assert len(items) == expected


# Envelopes, on the Redis channel itself.


def envelope(**fields: Any) -> dict[str, Any]:
    return {
        "body": base64.b64encode(VALID).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {},
        "properties": properties(),
        **fields,
    }


def properties(**fields: Any) -> dict[str, Any]:
    return {
        "delivery_mode": 1,
        "delivery_info": {"exchange": "x", "routing_key": ""},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": "2c6cd8ab-4b28-4e3f-9a63-5d0d2d1b1f0a",
        **fields,
    }


def lacking(field: str, of: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in of.items() if name != field}


def typed(kind: Any, value: Any) -> dict[str, Any]:
    """What Kombu's JSON turns into an object of another type."""
    return {"__type__": kind, "__value__": value}


ENVELOPES: dict[str, Any] = {
    "blank": b"   ",
    "not JSON": b"hello",
    "not UTF-8": b"\xff\xfe\xfd",
    "zeros": b"\x00" * 100,
    "half of one": json.dumps(envelope()).encode()[:100],
    "two": json.dumps(envelope()).encode() * 2,
    "null": None,
    "true": True,
    "a number": 17,
    "a text": "hello",
    "an empty list": [],
    "a list": [1, {"body": ""}],
    "an empty object": {},
    **{f"no {field}": lacking(field, envelope()) for field in ("body", "properties", "headers")},
    "no content type": lacking("content-type", envelope()),
    "no delivery tag": envelope(properties=lacking("delivery_tag", properties())),
    **{f"a body of {value!r}": envelope(body=value) for value in (None, 1, [], {}, True)},
    **{f"properties of {value!r}": envelope(properties=value) for value in (None, 1, "x", [], {})},
    **{f"headers of {value!r}": envelope(headers=value) for value in (None, 1, "x", [1])},
    **{f"a content type of {value!r}": envelope(**{"content-type": value}) for value in (None, 1, [], {}, "")},
    **{
        f"a delivery tag of {value!r}": envelope(properties=properties(delivery_tag=value))
        for value in (None, 1, [], {})
    },
    "bad base64": envelope(body="!!! not base64 !!!"),
    "cut base64": envelope(body="abc"),
    "base64 that is not ASCII": envelope(body="größe"),
    "an unknown encoding of the body": envelope(properties=properties(body_encoding="rot13")),
    "an encoding of the body of []": envelope(properties=properties(body_encoding=[])),
    "a compressed body": envelope(headers={"compression": "gzip"}),
    "deep nesting": b"[" * 100_000,
    "deep objects": b'{"body":' * 12_000,
    "deep nesting in a header": json.dumps(envelope())
    .replace("{}", '{"a":' + "[" * 30_000 + "]" * 30_000 + "}")
    .encode(),
    "deep nesting in a property": json.dumps(envelope(x=1)).replace(": 1}", ": " + "[" * 900 + "]" * 900 + "}").encode()
    + b"x",
    "surrogates": envelope(body="\ud800", properties=properties(body_encoding=None)),
    "surrogates in a header": envelope(headers={"\udfff": "\ud800"}),
    "NaN": json.dumps(envelope(headers={"a": float("nan")})).encode(),
    "1e400": json.dumps(envelope()).replace('"priority": 0', '"priority": 1e400x').encode(),
    "huge": b'{"body": "' + b"a" * 10_000_000 + b'"}',
    "properties that become bytes": {**envelope(), "properties": typed("bytes", "x")},
    "an envelope that becomes bytes": typed("bytes", "x"),
}


#: Traps for Kombu's own decoder, round a body that is a gossip: what we read is right, and nothing else is read.
TRAPS: dict[str, Any] = {
    "a huge number": json.dumps(envelope()).replace('"priority": 0', '"priority": ' + "9" * 5000).encode(),
    "an unknown type": envelope(headers={"x": typed("nosuch", 1)}),
    "a type of []": envelope(headers={"x": typed([], 1)}),
    "an impossible decimal": envelope(headers={"x": typed("decimal", "one")}),
    "an impossible uuid": envelope(headers={"x": typed("uuid", 5)}),
    "a uuid of nothing": envelope(headers={"x": typed("uuid", {})}),
    "an impossible date": envelope(headers={"x": typed("datetime", "yesterday")}),
    "a date of a number": envelope(headers={"x": typed("datetime", 1)}),
    "bytes of a number": envelope(headers={"x": typed("bytes", 1)}),
    "base64 of a number": envelope(headers={"x": typed("base64", 1)}),
    "headers that become bytes": envelope(headers=typed("bytes", "compression")),
    "headers that become a decimal": envelope(headers=typed("decimal", "1")),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_an_envelope_on_the_redis_channel_that_is_no_message_is_refused(redis_scene: Scene, name: str) -> None:
    payload = ENVELOPES[name]
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    connected_at = redis_scene.listener.connected_at
    redis_scene.assert_rejected(lambda: redis_scene.corner.publish_on_redis(raw))
    assert redis_scene.listener.connected_at == connected_at, "a stranger made the listener reconnect"


def test_an_empty_message_on_the_redis_channel_is_refused(redis_scene: Scene) -> None:
    redis_scene.assert_rejected(lambda: redis_scene.corner.publish_on_redis(b""))


def by_hand(raw: bytes) -> bytes:
    """The same envelope round the gossip of a worker that no test minds."""
    gossip = encode(a_gossip(hostname="celery@by-hand", state="offline"))
    return raw.replace(base64.b64encode(VALID), base64.b64encode(gossip))


@pytest.mark.parametrize("name", ["none at all", *TRAPS])
def test_a_trap_for_the_decoder_of_kombu_is_not_read_at_all(redis_scene: Scene, name: str) -> None:
    payload = TRAPS.get(name, envelope())
    redis_scene.assert_valid_worker_is_heard()
    connected_at = redis_scene.listener.connected_at
    heard: list[str] = []

    def on_gossip(sender: Any, gossip: Any) -> None:
        heard.append(gossip.hostname)

    with signals.gossip_received.connected_to(on_gossip):
        redis_scene.corner.publish_on_redis(
            by_hand(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        )
        eventually(lambda: assert_count(heard, 1))
    assert heard == ["celery@by-hand"]
    assert redis_scene.listener.connected_at == connected_at


# Properties, on AMQP itself.


class RawMessage(amqp.Message):
    """A message whose properties are these very bytes."""

    def __init__(self, properties: bytes, body: bytes = VALID) -> None:
        super().__init__(body)
        self.raw = properties

    def _serialize_properties(self) -> bytes:
        return self.raw


def flags(*bits: int) -> bytes:
    return struct.pack(">H", sum(1 << bit for bit in bits))


def table(*entries: bytes) -> bytes:
    return struct.pack(">I", len(b"".join(entries))) + b"".join(entries)


def entry(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + value


CONTENT_TYPE, HEADERS = 15, 13
JSON = entry(b"application/json", b"")


def dated(seconds: int) -> bytes:
    """Properties with a header that is a date."""
    return flags(CONTENT_TYPE, HEADERS) + JSON + table(entry(b"at", b"T" + struct.pack(">Q", seconds)))


PROPERTIES = {
    "a date beyond the calendar": dated(10**12),
    "a content type that is not UTF-8": flags(CONTENT_TYPE) + entry(b"\xff\xfe", b""),
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_properties_that_nobody_can_read_are_refused(amqp_scene: Scene, name: str) -> None:
    message = RawMessage(PROPERTIES[name])
    amqp_scene.assert_rejected(lambda: amqp_scene.corner.publish_on_amqp(message))


def test_properties_that_look_like_a_broken_connection_only_cost_a_reconnect(amqp_scene: Scene) -> None:
    amqp_scene.assert_valid_worker_is_heard()
    amqp_scene.corner.publish_on_amqp(RawMessage(dated(2**63 - 1)))  # an OSError of the C library
    amqp_scene.assert_valid_worker_is_heard()


@pytest.mark.parametrize(
    "message",
    [
        amqp.Message(VALID),
        amqp.Message(b""),
        amqp.Message(VALID, content_type=""),
        amqp.Message(VALID, content_type="application/json", application_headers={"compression": 1}),
        amqp.Message(VALID, content_type="application/json", application_headers={"compression": {"a": [1]}}),
        amqp.Message(b"\xff" * 200_000, content_type="application/json"),
        amqp.Message(b"x", content_type="application/json", content_encoding="nosuch"),
        amqp.Message(b"x", content_type="application/json", type="t" * 255, user_id="guest", app_id="\x00"),
    ],
    ids=lambda message: repr(message.properties)[:40],
)
def test_a_message_of_amqp_that_is_no_gossip_is_refused(amqp_scene: Scene, message: amqp.Message) -> None:
    amqp_scene.assert_rejected(lambda: amqp_scene.corner.publish_on_amqp(message))
