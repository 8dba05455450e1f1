"""Reports of processes that send tasks reach the cluster, and only trusted ones."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.listener.message_handler import MessageHandler
from celery_gossip.wire.encoding import encode_beat, encode_echo
from celery_gossip.wire.messages import Echo, SentCount, SentReport
from celery_gossip.wire.signing import Delivery
from tests.unit.build import BOOT, FakeClock, a_beat


@pytest.mark.parametrize("is_verified", [True, False, None])
def test_a_report_of_a_beat_is_applied_with_the_trust_of_its_sender_and_its_states_are_events(
    is_verified: bool | None,
) -> None:
    clock = FakeClock()
    cluster = Cluster(clock)
    told: list[Any] = []
    events: Any = SimpleNamespace(emit=lambda *_: None, emit_transitions=told.extend)
    handler = MessageHandler(cluster, SimpleNamespace(), SimpleNamespace(), events)  # type: ignore[arg-type]
    handler.handle(Delivery(encode_beat(a_beat()), is_verified), clock.now)
    assert [(one.state, one.beat.is_verified) for one in told] == [("online", is_verified)]
    assert [one.hostname for one in cluster.beats()] == ["celerybeat@web1"]


REPORT = SentReport(app="shop", period=1.0, names=("mail", "shop.pack"), counts=(SentCount(0, 1, 9, 9, 0.5),))


@pytest.mark.parametrize("is_verified, expected", [(True, 9), (None, 9), (False, 0)])
def test_an_unsigned_report_is_ignored_by_a_listener_with_a_secret(is_verified: bool | None, expected: int) -> None:
    clock = FakeClock()
    cluster = Cluster(clock)
    cluster.statistics.start(clock.now - 60.0)
    pings: list[Echo] = []
    rejected: Counter[str] = Counter()
    echo: Any = SimpleNamespace(handle_echo=lambda one, now: pings.append(one))
    rejections: Any = SimpleNamespace(add=lambda exc, now: rejected.update([exc.reason]))
    events: Any = SimpleNamespace(emit=lambda *_: None)
    handler = MessageHandler(cluster, echo, rejections, events)
    handler.handle(Delivery(encode_echo(Echo(echo=BOOT, number=1, sent=REPORT)), is_verified), clock.now)
    assert sum(cluster.sent_totals().values()) == expected
    assert not pings and not rejected
    handler.handle(Delivery(encode_echo(Echo(echo=BOOT, number=1)), is_verified), clock.now)
    assert len(pings) == (is_verified is not False)
