"""Queues with a generated name are reported under one that stays."""

from typing import Any

import pytest
from kombu import Exchange, Queue
from kombu.common import Broadcast

from celery_gossip.worker.probe import Probe
from celery_gossip.worker.queue_label import assign_labels, label_of
from tests.support.identifier import stable_id
from tests.unit.fakes import FakeRequest, FakeTaskConsumer, a_consumer

UUID = "0a1b2c3d-0000-4000-8000-0123456789ab"
FANOUT = Exchange("news", type="fanout")


@pytest.mark.parametrize(
    ("queue", "label"),
    [
        (Broadcast("news"), "news"),
        (Broadcast("news", alias="bulletin"), "bulletin"),
        (Broadcast("news", queue="mine", unique=True), "news"),
        (Broadcast("news", auto_delete=False), "news"),
        (Broadcast(exchange=FANOUT), "news"),
        (Broadcast("news", exchange=Exchange("topics", type="topic")), "news"),
        (Queue(f"mine.{UUID}", FANOUT), "news"),
        (Queue("amq.gen-xyz", FANOUT), "news"),
        (Queue("amq.gen-xyz", FANOUT, alias="mine"), "mine"),
        (Queue("amq.gen-xyz", Exchange("shop"), routing_key="k"), "amq.gen-*"),
        # Names that a user has chosen.
        (Broadcast("news", queue="mine"), None),
        (Queue("fixed", FANOUT), None),
        (Queue("fixed", FANOUT, alias="mine"), None),
        (Queue("plain"), None),
        (Queue("plain", alias="other"), None),
        (Queue(f"tenant.{UUID}", Exchange("shop"), routing_key="k"), None),
        (Queue(UUID), None),
        (Queue(UUID, FANOUT), None),
        (Queue("amq.general", Exchange("shop")), None),
    ],
    ids=stable_id,
)
def test_what_a_queue_is_reported_as(queue: Any, label: str | None) -> None:
    assert label_of(queue) == label


def labels_of(*queues: Any, before: dict[str, str] | None = None) -> list[str]:
    assigned = assign_labels(before or {}, queues)
    return [assigned.get(queue.name, queue.name) for queue in queues]


def test_two_of_the_same_label_are_numbered_in_the_order_of_the_configuration() -> None:
    for _ in range(3):  # restarts
        queues = [Broadcast("news"), Broadcast("other"), Broadcast("news"), Broadcast("news")]
        assert labels_of(*queues) == ["news", "other", "news#2", "news#3"]


def test_no_label_is_the_name_of_another_queue_of_the_worker() -> None:
    assert labels_of(Broadcast("news"), Queue("news"), Queue("news#2")) == ["news#3", "news", "news#2"]


def test_a_label_stays_whatever_comes_and_goes() -> None:
    first, second, third = Broadcast("news"), Broadcast("news"), Broadcast("news")
    before = assign_labels({}, [first, second])
    assert labels_of(second, first, before=before) == ["news#2", "news"]
    after = assign_labels(before, [second])
    assert labels_of(third, second, before=after) == ["news", "news#2"]


# In the reports of a worker.


def test_a_broadcast_queue_is_reported_and_its_tasks_are_counted_under_its_label() -> None:
    queue = Broadcast("news")
    consumer = a_consumer("default", queue)
    probe = Probe(consumer, 100)
    tagged = FakeRequest(consumer_tag=consumer.task_consumer.tag_of(queue.name))
    routed = FakeRequest(exchange="news", routing_key="any")
    consumer.timer.wait_for_eta(tagged)
    consumer.timer.wait_for_eta(routed)
    assert [probe.queue_of(one) for one in (tagged, routed)] == ["news", "news"], "before the first report, too"
    default, news = probe.read().checks
    assert (default.queue, default.broadcast, news.queue, news.broadcast) == ("default", False, "news", True)
    assert news.scheduled == 2
    assert [probe.queue_of(one) for one in (tagged, routed)] == ["news", "news"]


def test_a_cancelled_broadcast_queue_is_paused_and_consumed_again_under_the_same_label() -> None:
    queues = [Broadcast("news"), Broadcast("news")]
    consumer = a_consumer(*queues)
    probe = Probe(consumer, 100)
    probe.read()
    consumer.task_consumer.cancel(queues[0].name)
    assert {check.queue: check.paused for check in probe.read().checks} == {"news": True, "news#2": False}
    consumer.task_consumer.add(queues[0])
    checks = {check.queue: check for check in probe.read().checks}
    assert {name: check.paused for name, check in checks.items()} == {"news": False, "news#2": False}
    request = FakeRequest(consumer_tag=consumer.task_consumer.tag_of(queues[0].name))
    assert probe.queue_of(request) == "news"


def test_a_server_named_queue_that_gets_another_name_leaves_nothing_behind() -> None:
    consumer = a_consumer(Queue("amq.gen-1", FANOUT))
    probe = Probe(consumer, 100)
    for number in range(2, 6):
        probe.read()
        consumer.task_consumer = FakeTaskConsumer([Queue(f"amq.gen-{number}", FANOUT)], tag_number=number)
    assert [(check.queue, check.paused) for check in probe.read().checks] == [("news", False)]


def test_while_the_worker_reconnects_a_task_keeps_its_label() -> None:
    queue = Broadcast("news")
    consumer = a_consumer(queue)
    probe = Probe(consumer, 100)
    probe.read()
    request = FakeRequest(consumer_tag=consumer.task_consumer.tag_of(queue.name))
    consumer.task_consumer = None
    assert probe.queue_of(request) == "news"
