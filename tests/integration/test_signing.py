"""Signed gossip is known as such on every broker alike; whatever else stands in that header is refused."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from celery_gossip import Listener, signals
from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.signing import SIGNATURE, Delivery, Keyring
from tests.integration.corner import Corner
from tests.support import eventually
from tests.unit.build import OTHER_BOOT, a_gossip

OLD, NEW = "the old key, of 24 letters", "the new key, of 24 letters"
BODY = encode(a_gossip(app="größe 日本語"))
HOSTNAME = a_gossip().hostname


def signature_of(body: bytes = BODY, key: str = OLD) -> Any:
    return Keyring([key]).signature_headers(body)[SIGNATURE]


def raw_receive(corner: Corner, publish: Any, **options: Any) -> Any:
    """What a subscription makes of what is published."""
    received: list[Delivery | RejectedGossip] = []

    def is_received() -> None:
        received.extend(subscription.receive(0.1))
        assert received

    with corner.subscription(**options) as subscription:
        publish()
        eventually(is_received, timeout=5, every=0.0)
    (one,) = received
    return one


def publish(corner: Corner, **options: Any) -> None:
    with corner.publisher(**options) as publisher:
        publisher.publish(BODY)


def test_what_was_signed_with_the_same_key_is_verified(corner: Corner) -> None:
    assert raw_receive(corner, lambda: publish(corner, secret=OLD), secret=OLD) == Delivery(BODY, is_verified=True)


def test_a_listener_without_a_secret_reads_signed_gossip_and_cannot_tell(corner: Corner) -> None:
    assert raw_receive(corner, lambda: publish(corner, secret=OLD)) == Delivery(BODY, is_verified=None)


def test_what_is_not_signed_is_unverified(corner: Corner) -> None:
    assert raw_receive(corner, lambda: publish(corner), secret=OLD) == Delivery(BODY, is_verified=False)


def test_what_is_not_signed_is_refused_by_option(corner: Corner) -> None:
    refused = raw_receive(corner, lambda: publish(corner), secret=OLD, refuse_unverified=True)
    assert refused.reason == "unsigned"


def test_what_was_signed_with_another_key_is_refused(corner: Corner) -> None:
    assert raw_receive(corner, lambda: publish(corner, secret=NEW), secret=OLD).reason == "signature"


def test_a_body_that_was_changed_on_the_way_is_refused(corner: Corner) -> None:
    changed = BODY.replace(b'"active":0', b'"active":9')
    assert changed != BODY
    refused = raw_receive(corner, lambda: corner.inject(changed, headers={SIGNATURE: signature_of()}), secret=OLD)
    assert refused.reason == "signature"


SIGNATURES: dict[str, Any] = {
    "an int": 17,
    "a float": 1.5,
    "true": True,
    "null": None,
    "a list": [signature_of()],
    "an object": {"a": signature_of()},
    "bytes": b"\xff" * 64,
    "an empty text": "",
    "a text of another length": "0" * 63,
    "capitals": signature_of().upper(),
    "no hexadecimal": "ß" * 64,
    "a long text": "0" * 1_000_000,
}


@pytest.fixture
def rejections() -> Iterator[list[str]]:
    heard: list[str] = []

    def take(sender: Any, reason: str) -> None:
        heard.append(reason)

    with signals.gossip_rejected.connected_to(take):
        yield heard


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature_that_is_none_is_refused_and_costs_no_connection(
    corner: Corner, name: str, rejections: list[str]
) -> None:
    signature = SIGNATURES[name]
    if corner.kind == "rabbitmq" and name == "a long text":
        signature = signature[:100_000]  # RabbitMQ takes no headers beyond one frame
    expected = "oversized" if corner.kind == "redis" and name == "a long text" else "signature"
    with corner.listener(secret=OLD) as listener:
        connected_at = listener.connected_at
        corner.inject(BODY, headers={SIGNATURE: signature})
        eventually(lambda: assert_equal(rejections, [expected]), timeout=5)
        with corner.publisher(secret=OLD) as publisher:
            publisher.publish(BODY)
        listener.wait(workers=1, timeout=5)
        assert listener.connected_at == connected_at
        assert listener.rejected == {expected: 1}


def assert_equal(one: Any, other: Any) -> None:
    assert one == other


# A listener.


def say(corner: Corner, *, secret: Any = None, **fields: Any) -> None:
    with corner.publisher(secret=secret) as publisher:
        publisher.publish(encode(a_gossip(interval=0.5, **fields)))


def verified(listener: Listener) -> dict[str, bool | None]:
    return {worker.gossip.hostname: worker.is_verified for worker in listener.cluster.workers()}


def test_a_listener_shows_who_is_signed_and_who_is_not(corner: Corner) -> None:
    with corner.listener(secret=OLD) as listener:
        say(corner, secret=OLD, hostname="celery@signed")
        say(corner, hostname="celery@unsigned")
        eventually(lambda: assert_equal(verified(listener), {"celery@signed": True, "celery@unsigned": False}))


def test_a_listener_hears_its_own_echo_where_everything_has_to_be_signed(corner: Corner) -> None:
    with corner.listener(secret=OLD, refuse_unverified=True) as listener:
        isolation = listener._loop.isolation
        eventually(lambda: assert_equal(bool(isolation._newest_sent_at > (listener.connected_at or 0)), True))
        assert listener.cluster.isolated_since is None and not listener.rejected


def test_an_echo_that_is_not_signed_is_not_taken_for_its_own(corner: Corner) -> None:
    """Whoever may publish could make a listener that is cut off believe that it hears."""
    with corner.listener(secret=OLD) as listener:
        heard: list[Any] = []
        listener._loop.isolation.ping_received = lambda *told: heard.append(told)  # type: ignore[method-assign]
        corner.inject(b'{"echo":"%s","number":1000}' % listener._loop.echo.name.encode())
        say(corner, secret=OLD)
        listener.wait(workers=1, timeout=5)
        assert all(number != 1000 for number, _ in heard)


def test_a_spoof_of_a_signed_worker_is_counted_and_changes_nothing(corner: Corner, rejections: list[str]) -> None:
    with corner.listener(secret=OLD) as listener:
        say(corner, secret=OLD)
        listener.wait(workers=1, timeout=5)
        (before,) = listener.cluster.workers()
        say(corner, boot=OTHER_BOOT)
        say(corner, seq=2**53, state="offline")
        eventually(lambda: assert_equal(rejections, ["unsigned"] * 2), timeout=5)  # the signals come last
        assert listener.rejected == {"unsigned": 2}
        (worker,) = listener.cluster.workers()
        assert (worker.gossip, worker.state, worker.rivals) == (before.gossip, "online", ())


def test_a_replay_of_a_live_worker_changes_nothing(corner: Corner) -> None:
    recorded = [encode(a_gossip(interval=0.5, seq=seq)) for seq in range(1, 6)]
    with corner.listener(secret=OLD) as listener, corner.publisher(secret=OLD) as publisher:
        for body in recorded:
            publisher.publish(body)
        eventually(lambda: assert_equal([one.gossip.seq for one in listener.cluster.workers()], [5]))
        for body in recorded:
            corner.inject(body, headers={SIGNATURE: signature_of(body)})
        say(corner, secret=OLD, hostname="celery@marker")  # whatever came before it has been taken
        listener.wait(workers=2, timeout=5)
        workers = {worker.gossip.hostname: worker for worker in listener.cluster.workers()}
        assert (workers[HOSTNAME].gossip.seq, workers[HOSTNAME].state) == (5, "online")
        assert not listener.rejected


def test_a_replay_does_not_bring_a_worker_back_that_said_goodbye(corner: Corner) -> None:
    recorded = [encode(a_gossip(seq=1)), encode(a_gossip(seq=2)), encode(a_gossip(seq=3, state="offline"))]
    with corner.listener(secret=OLD) as listener, corner.publisher(secret=OLD) as publisher:
        for body in recorded:
            publisher.publish(body)
        eventually(lambda: assert_equal([one.state for one in listener.cluster.workers()], ["offline"]))
        for body in recorded[:2]:
            corner.inject(body, headers={SIGNATURE: signature_of(body)})
        say(corner, secret=OLD, hostname="celery@marker")
        listener.wait(workers=1, timeout=5)
        states = {worker.gossip.hostname: worker.state for worker in listener.cluster.workers()}
        assert states == {HOSTNAME: "offline", "celery@marker": "online"}


def test_a_listener_that_has_not_heard_a_boot_takes_a_replay_for_it_until_the_silence_tells(corner: Corner) -> None:
    """As SECURITY.md says: the sender's clock is not asked."""
    body = encode(a_gossip(interval=0.1, sent_at=1.0))
    with corner.listener(secret=OLD) as listener:
        corner.inject(body, headers={SIGNATURE: signature_of(body)})
        listener.wait(workers=1, timeout=5)
        eventually(lambda: assert_equal([one.state for one in listener.cluster.workers()], ["lost"]), timeout=10)


@contextmanager
def fleet(corner: Corner, secret: Any) -> Iterator[Listener]:
    with corner.listener(secret=secret, refuse_unverified=True) as listener:
        yield listener


def test_keys_are_changed_without_a_gap(corner: Corner) -> None:
    """Both on all, then the new one first, then the new one alone; each step by one after another."""
    steps = [OLD, [OLD, NEW], [NEW, OLD], NEW]
    for before, after in itertools.pairwise(steps):
        with fleet(corner, before) as one, fleet(corner, after) as other:
            for n, secret in enumerate((before, after)):
                say(corner, secret=secret, hostname=f"celery@w{n}")
            for listener in (one, other):
                listener.wait(workers=2, timeout=5)
                assert set(verified(listener).values()) == {True} and not listener.rejected


def test_who_was_left_out_of_a_change_of_keys_is_told(corner: Corner) -> None:
    with corner.listener(secret=NEW) as listener:
        say(corner, secret=OLD)

        def is_told() -> None:
            assert "wrong_signature" in [finding.kind for finding in listener.findings]

        eventually(is_told, timeout=5)
        assert verified(listener) == {} and set(listener.rejected) == {"signature"}


def test_nobody_is_heard_where_everything_is_refused_and_that_is_said(corner: Corner, monkeypatch: Any) -> None:
    monkeypatch.setattr("celery_gossip.diagnosis.listener_rules._NO_REPORT_FOR", 0.5)
    with corner.listener(secret=NEW, refuse_unverified=True) as listener:
        for seq in range(1, 4):
            say(corner, seq=seq)

        def is_told() -> None:
            (text,) = [finding.text for finding in listener.findings if finding.kind == "nobody_heard"]
            assert "rejected: unsigned 3" in text

        eventually(lambda: assert_equal(bool(listener.findings), True), timeout=5)
        eventually(is_told, timeout=5)
