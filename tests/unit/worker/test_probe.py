"""The probe tells what a worker holds, queue by queue, however little of the worker is there."""

import gc
import itertools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state as worker_state
from kombu import Exchange, Queue
from kombu.utils.limits import TokenBucket

from celery_gossip.wire.messages import QueueCheck
from celery_gossip.worker import probe as probe_module
from celery_gossip.worker._compat import pool_name
from celery_gossip.worker.probe import Probe, Reading
from tests.unit.build import FakeClock, a_gossip
from tests.unit.fakes import FakeEntry, FakeRequest, FakeTaskConsumer, a_consumer, a_pool


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(5000.0)


def a_probe(consumer: Any, active_limit: int = 100, clock: Any = None) -> Probe:
    return Probe(consumer, active_limit, wall=clock or FakeClock())


def run(**request: Any) -> FakeRequest:
    """A task that the worker executes; it is reserved as well, as in Celery."""
    running = FakeRequest(**request)
    worker_state.active_requests.add(running)
    worker_state.reserved_requests.add(running)
    return running


def reserve(**request: Any) -> FakeRequest:
    waiting = FakeRequest(**request)
    worker_state.reserved_requests.add(waiting)
    return waiting


def by_queue(reading: Reading) -> dict[str, QueueCheck]:
    return {check.queue: check for check in reading.checks}


# Queues.


def test_there_is_one_check_per_queue_consumed(clock: FakeClock) -> None:
    checks = a_probe(a_consumer("default", "mail"), clock=clock).read().checks
    assert [check.queue for check in checks] == ["default", "mail"]
    assert len({check.uuid for check in checks}) == 2
    assert {(check.paused, check.started_at, check.updated_at) for check in checks} == {(False, 5000.0, 5000.0)}


def test_a_queue_keeps_its_uuid_and_its_start_while_it_is_consumed(clock: FakeClock) -> None:
    probe = a_probe(a_consumer("default"), clock=clock)
    first = probe.read().checks[0]
    clock.advance(7)
    second = probe.read().checks[0]
    assert (second.uuid, second.started_at, second.updated_at) == (first.uuid, 5000.0, 5007.0)


def test_a_cancelled_queue_stays_listed_as_paused() -> None:
    consumer = a_consumer("default", "mail")
    probe = a_probe(consumer)
    before = by_queue(probe.read())
    consumer.task_consumer.cancel("mail")
    after = by_queue(probe.read())
    assert (after["mail"].paused, after["default"].paused) == (True, False)
    assert after["mail"].uuid == before["mail"].uuid


def test_a_queue_consumed_again_is_unpaused_with_a_new_uuid(clock: FakeClock) -> None:
    consumer = a_consumer("default", "mail")
    probe = a_probe(consumer, clock=clock)
    before = by_queue(probe.read())
    consumer.task_consumer.cancel("mail")
    probe.read()
    consumer.task_consumer.add(Queue("mail"))
    clock.advance(3)
    after = by_queue(probe.read())
    assert after["mail"].paused is False
    assert after["mail"].uuid != before["mail"].uuid and after["mail"].started_at == 5003.0
    assert after["default"].uuid == before["default"].uuid


def test_a_queue_added_at_run_time_appears() -> None:
    consumer = a_consumer("default")
    probe = a_probe(consumer)
    probe.read()
    consumer.task_consumer.add(Queue("new", Exchange("shop"), routing_key="k"))
    task = run(exchange="shop", routing_key="k")
    check = by_queue(probe.read())["new"]
    assert (check.paused, check.active) == (False, (task.id,))


def test_a_reconnect_gives_every_consumed_queue_a_new_uuid() -> None:
    consumer = a_consumer("default", "paused")
    probe = a_probe(consumer)
    probe.read()
    consumer.task_consumer.cancel("paused")
    before = by_queue(probe.read())
    probe.on_consumer_start()
    after = by_queue(probe.read())
    assert after["default"].uuid != before["default"].uuid
    assert after["paused"].uuid == before["paused"].uuid


def test_while_draining_the_queues_stay_as_they_were() -> None:
    consumer = a_consumer("default", "mail")
    probe = a_probe(consumer)
    consumer.task_consumer.cancel("mail")
    consumer.task_consumer.add(Queue("mail"))
    before = by_queue(probe.read())
    for name in ("default", "mail"):
        consumer.task_consumer.cancel(name)
    after = by_queue(probe.read(shutdown_started_at=4999.0))
    assert {name: (check.uuid, check.paused) for name, check in after.items()} == {
        name: (check.uuid, False) for name, check in before.items()
    }
    assert {check.shutdown_started_at for check in after.values()} == {4999.0}


@pytest.mark.parametrize("missing", ["task_consumer", "connection"])
def test_during_a_reconnect_known_queues_are_still_reported(missing: str) -> None:
    consumer = a_consumer("default")
    probe = a_probe(consumer)
    before = probe.read().checks[0]
    setattr(consumer, missing, None)
    running = run(exchange="", routing_key="default")
    after = probe.read().checks[0]
    assert (after.uuid, after.paused, after.active) == (before.uuid, False, (running.id,))


def test_a_worker_that_has_nothing_yet_has_no_checks() -> None:
    consumer = a_consumer(task_consumer=None, connection=None, qos=None, pool=None)
    reading = a_probe(consumer).read()
    assert (reading.checks, reading.active, reading.prefetch_count, reading.concurrency) == ((), 0, None, 0)


def test_paused_queues_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "_MAX_PAUSED", 3)
    consumer = a_consumer("default")
    probe = a_probe(consumer)
    for n in range(10):
        consumer.task_consumer.add(Queue(f"q{n}"))
        probe.read()
        consumer.task_consumer.cancel(f"q{n}")
        probe.read()
    consumer.task_consumer.add(Queue("last"))
    assert [check.queue for check in probe.read().checks] == ["default", "q7", "q8", "q9", "last"]


# Which task came from which queue.


def test_a_task_belongs_to_the_queue_of_its_consumer_tag() -> None:
    consumer = a_consumer("default", "mail")
    tags = consumer.task_consumer
    mine, yours = run(consumer_tag=tags.tag_of("mail")), run(consumer_tag=tags.tag_of("default"))
    checks = by_queue(a_probe(consumer).read())
    assert (checks["mail"].active, checks["default"].active) == ((mine.id,), (yours.id,))


def test_a_consumer_tag_goes_before_the_bindings() -> None:
    consumer = a_consumer("default", "mail")
    task = run(consumer_tag=consumer.task_consumer.tag_of("mail"), exchange="", routing_key="default")
    assert by_queue(a_probe(consumer).read())["mail"].active == (task.id,)


def test_a_task_of_a_cancelled_queue_still_belongs_to_it() -> None:
    consumer = a_consumer("default", "mail")
    probe = a_probe(consumer)
    probe.read()
    task = run(consumer_tag=consumer.task_consumer.tag_of("mail"))
    consumer.task_consumer.cancel("mail")
    check = by_queue(probe.read())["mail"]
    assert (check.paused, check.active) == (True, (task.id,))


def test_a_task_received_before_a_reconnect_still_belongs_to_its_queue() -> None:
    consumer = a_consumer("default", "mail")
    probe = a_probe(consumer)
    task = run(consumer_tag=consumer.task_consumer.tag_of("mail"))
    probe.remember_tags()
    consumer.task_consumer = FakeTaskConsumer([Queue("default"), Queue("mail")], tag_number=10)
    probe.on_consumer_start()
    assert by_queue(probe.read())["mail"].active == (task.id,)


def test_a_task_of_a_worker_that_reconnects_before_its_first_report_belongs_to_the_queue_it_selects() -> None:
    consumer = a_consumer("default")
    queues = SimpleNamespace(consume_from={"mail": Queue("mail")})
    consumer.app, consumer.task_consumer = SimpleNamespace(amqp=SimpleNamespace(queues=queues)), None
    task = FakeRequest(consumer_tag="unknown", exchange="", routing_key="mail")
    assert a_probe(consumer).queue_of(task) == "mail"


def test_consumer_tags_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "_MAX_TAGS", 10)
    consumer = a_consumer("default")
    probe = a_probe(consumer)
    for n in range(50):
        consumer.task_consumer = FakeTaskConsumer([Queue("default")], tag_number=n)
        probe.read()
    task = run(consumer_tag=consumer.task_consumer.tag_of("default"))
    assert len(probe._tags) <= 10
    assert probe.read().checks[0].active == (task.id,)


def test_without_a_tag_a_task_belongs_to_the_queue_that_its_bindings_match() -> None:
    queues = [Queue("default"), Queue("mail", Exchange("shop"), routing_key="letters")]
    consumer = a_consumer(*queues)
    plain, routed = run(exchange="", routing_key="default"), run(exchange="shop", routing_key="letters")
    checks = by_queue(a_probe(consumer).read())
    assert (checks["default"].active, checks["mail"].active) == ((plain.id,), (routed.id,))


def test_bindings_of_a_paused_queue_are_still_used() -> None:
    consumer = a_consumer("default", "mail")
    probe = a_probe(consumer)
    probe.read()
    consumer.task_consumer.cancel("mail")
    task = run(exchange="", routing_key="mail")
    assert by_queue(probe.read())["mail"].active == (task.id,)


@pytest.mark.parametrize(
    "delivery",
    [
        {},
        {"exchange": "", "routing_key": "nowhere"},
        {"exchange": "shop", "routing_key": "both"},
        {"exchange": None, "routing_key": None},
        {"consumer_tag": "unknown"},
        {"consumer_tag": ["not", "hashable"]},
        {"exchange": {}, "routing_key": []},
    ],
    ids=repr,
)
def test_a_task_whose_queue_is_unknown_is_unattributed_and_never_guessed(delivery: dict[str, Any]) -> None:
    shop = Exchange("shop")
    consumer = a_consumer(Queue("one", shop, routing_key="both"), Queue("two", shop, routing_key="both"))
    strange = run(**delivery)
    reading = a_probe(consumer).read()
    assert (reading.unattributed, reading.active) == (1, 1)
    assert all(check.active == () and check.active_count == 0 for check in reading.checks), strange


def test_a_task_whose_queue_becomes_known_is_attributed_from_then_on() -> None:
    consumer = a_consumer("default")
    probe, waiting = a_probe(consumer), reserve(exchange="", routing_key="mail")
    assert by_queue(probe.read())["default"].reserved == 0
    consumer.task_consumer.add(Queue("mail"))
    assert by_queue(probe.read())["mail"].reserved == 1, waiting


def test_a_reserved_task_that_has_left_is_not_counted_any_more() -> None:
    probe = a_probe(a_consumer("default"))
    waiting = [reserve(exchange="", routing_key="default") for _ in range(3)]
    assert by_queue(probe.read())["default"].reserved == 3
    worker_state.reserved_requests.discard(waiting[0])
    del waiting[1]
    gc.collect()
    reading = probe.read()
    assert (reading.reserved, by_queue(reading)["default"].reserved) == (1, 1)


def test_a_request_without_a_message_is_unattributed() -> None:
    strange = run()
    strange.message = None
    reading = a_probe(a_consumer("default")).read()
    assert (reading.unattributed, reading.active) == (1, 1)


# Whether the worker consumes.


def test_a_worker_that_consumes_one_queue_of_several_consumes() -> None:
    consumer = a_consumer("default", "mail")
    consumer.task_consumer.cancel("mail")
    assert a_probe(consumer).is_consuming


def test_a_worker_whose_queues_are_all_cancelled_does_not_until_one_is_added() -> None:
    consumer = a_consumer("default")
    probe = a_probe(consumer)
    consumer.task_consumer.cancel("default")
    assert not probe.is_consuming
    consumer.task_consumer.add(Queue("mail"))
    assert probe.is_consuming


def test_a_queue_that_was_declared_but_not_yet_consumed_does_not_count() -> None:
    consumer = a_consumer("default")
    consumer.task_consumer._active_tags.clear()
    assert not a_probe(consumer).is_consuming


@pytest.mark.parametrize("missing", ["connection", "task_consumer"])
def test_a_worker_that_reconnects_does_not_consume(missing: str) -> None:
    assert not a_probe(a_consumer("default", **{missing: None})).is_consuming


# Which queue, for who counts.


def test_the_queue_of_a_request_is_found_by_its_consumer_tag() -> None:
    consumer = a_consumer("default", "mail")
    probe = a_probe(consumer)
    probe.read()
    request = FakeRequest(consumer_tag=consumer.task_consumer.tag_of("mail"))
    assert probe.queue_of(request) == "mail"


@pytest.mark.parametrize("has_tag", [True, False])
def test_the_queue_of_the_first_request_is_known_before_the_first_round(has_tag: bool) -> None:
    consumer = a_consumer("default")
    request = first_of(consumer, "default", has_tag)
    assert a_probe(consumer).queue_of(request) == "default"


@pytest.mark.parametrize("has_tag", [True, False])
def test_a_queue_that_is_new_since_the_last_round_is_known_by_its_first_request(has_tag: bool) -> None:
    consumer = a_consumer("default", "paused")
    probe = a_probe(consumer)
    probe.read()
    consumer.task_consumer.cancel("paused")
    consumer.task_consumer.add(Queue("new"))
    assert probe.queue_of(first_of(consumer, "new", has_tag)) == "new"
    assert probe.queue_of(FakeRequest(exchange="", routing_key="paused")) == "paused"


def test_a_queue_with_new_tags_after_a_reconnect_is_known_before_the_next_round() -> None:
    consumer = a_consumer("default")
    probe = a_probe(consumer)
    probe.read()
    consumer.task_consumer = FakeTaskConsumer(consumer.task_consumer.queues, tag_number=100)
    assert probe.queue_of(first_of(consumer, "default", has_tag=True)) == "default"


@pytest.mark.parametrize("gone", ["task_consumer", "connection"])
def test_the_queue_of_a_request_is_found_while_the_worker_reconnects(gone: str) -> None:
    consumer = a_consumer("default")
    probe = a_probe(consumer)
    probe.read()
    requests = [first_of(consumer, "default", has_tag) for has_tag in (True, False)]
    setattr(consumer, gone, None)
    assert [probe.queue_of(request) for request in requests] == ["default", "default"]
    assert probe.queue_of(FakeRequest(exchange="", routing_key="unknown")) is None
    assert probe.queue_of(FakeRequest(consumer_tag="unknown")) is None


def test_asking_for_what_is_not_known_builds_the_bindings_once() -> None:
    consumer = a_consumer("default")
    probe = a_probe(consumer)
    bindings = []
    for _ in range(3):
        assert probe.queue_of(FakeRequest(exchange="", routing_key="unknown")) is None
        bindings.append(probe._bindings)
    assert len(set(map(id, bindings))) == 1


def first_of(consumer: Any, queue: str, has_tag: bool) -> FakeRequest:
    if has_tag:
        return FakeRequest(consumer_tag=consumer.task_consumer.tag_of(queue))
    return FakeRequest(exchange="", routing_key=queue)


# Counts.


def test_active_tasks_are_listed_the_longest_running_first() -> None:
    consumer = a_consumer("default")
    info = {"exchange": "", "routing_key": "default"}
    kept = [run(task_id=f"t{start}", time_start=start, **info) for start in (3.0, 1.0, None, 2.0)]
    assert a_probe(consumer).read().checks[0].active == ("t1.0", "t2.0", "t3.0", "tNone") and kept


def test_the_ids_listed_are_limited_and_the_count_is_exact() -> None:
    consumer = a_consumer("default")
    kept = [run(time_start=float(n), exchange="", routing_key="default") for n in range(1, 8)]
    reading = a_probe(consumer, active_limit=3).read()
    assert reading.checks[0].active == tuple(request.id for request in kept[:3])
    assert (reading.checks[0].active_count, reading.active) == (7, 7)


def test_a_limit_of_zero_lists_no_id() -> None:
    kept = run(exchange="", routing_key="default")
    check = a_probe(a_consumer("default"), active_limit=0).read().checks[0]
    assert (check.active, check.active_count) == ((), 1) and kept


def test_what_is_executed_is_not_reserved_any_more() -> None:
    consumer = a_consumer("default", "mail")
    kept = [run(exchange="", routing_key="default"), *(reserve(exchange="", routing_key="mail") for _ in range(3))]
    reading = a_probe(consumer).read()
    checks = by_queue(reading)
    assert (checks["default"].reserved, checks["mail"].reserved, reading.reserved) == (0, 3, 3) and kept


def test_tasks_waiting_for_their_eta_are_counted_from_the_timer() -> None:
    consumer = a_consumer("default", "mail")
    for queue in ("default", "mail", "mail"):
        consumer.timer.wait_for_eta(FakeRequest(exchange="", routing_key=queue))
    reading = a_probe(consumer).read()
    assert {name: check.scheduled for name, check in by_queue(reading).items()} == {"default": 1, "mail": 2}
    assert reading.scheduled == 3


def test_tasks_waiting_for_a_rate_limit_are_counted_from_their_buckets() -> None:
    limited = TokenBucket(1.0)
    for _ in range(3):
        limited.add((FakeRequest(), 1))
    consumer = a_consumer("a", task_buckets={"nap": limited, "shout": TokenBucket(1.0), "nothing": None})
    reading = a_probe(consumer).read()
    assert (reading.limited, reading.reserved, reading.scheduled) == (3, 0, 0)


def test_tasks_stay_limited_in_the_bucket_that_a_new_rate_limit_has_replaced() -> None:
    consumer = a_consumer("a", task_buckets={})
    buckets = [TokenBucket(1.0), TokenBucket(1.0)]

    def _schedule_bucket_request(bucket: Any) -> None:
        """As the consumer's."""

    for bucket in buckets:
        for _ in range(3):
            bucket.add((FakeRequest(), 1))
            entry = FakeEntry(_schedule_bucket_request, (bucket,), 1.0)  # one for each request
            consumer.timer.schedule._queue.append(SimpleNamespace(entry=entry))
    consumer.task_buckets = {"nap": buckets[1], "shout": None}
    assert a_probe(consumer).read().limited == 6
    consumer.task_buckets = {"nap": None}
    assert a_probe(consumer).read().limited == 6, "the limit was removed"
    consumer.timer.schedule._queue.append(SimpleNamespace(entry=FakeEntry(print, (buckets[0], 1), 1.0)))
    assert a_probe(consumer).read().limited == 6


def test_a_task_with_an_eta_and_a_rate_limit_is_scheduled_and_then_limited() -> None:
    consumer, bucket = a_consumer("a"), TokenBucket(1.0)
    consumer.task_buckets = {"nap": bucket}
    entry = FakeEntry(lambda *_: None, (FakeRequest(), bucket, 1), 60.0)
    consumer.timer.schedule._queue.append(SimpleNamespace(entry=entry))
    reading = a_probe(consumer).read()
    assert (reading.scheduled, reading.limited) == (1, 0)
    consumer.timer.schedule._queue.clear()
    bucket.add((entry.args[0], 1))
    reading = a_probe(consumer).read()
    assert (reading.scheduled, reading.limited) == (0, 1)


def test_a_cancelled_eta_is_not_counted() -> None:
    consumer = a_consumer("default")
    consumer.timer.wait_for_eta(FakeRequest(exchange="", routing_key="default"), is_canceled=True)
    consumer.timer.wait_for_eta(FakeRequest(exchange="", routing_key="default"))
    assert a_probe(consumer).read().scheduled == 1


def test_other_entries_of_the_timer_are_not_tasks() -> None:
    consumer = a_consumer("default")
    for args in ((), None, ("text",), (SimpleNamespace(id="x"),), (1, 2)):
        entry = FakeEntry(print, args, 1.0)  # type: ignore[arg-type]
        consumer.timer.schedule._queue.append(SimpleNamespace(entry=entry))
    assert a_probe(consumer).read().scheduled == 0


def test_the_timer_of_gevent_keeps_a_set_of_greenlets() -> None:
    class Greenlet:
        def __init__(self, request: Any, canceled: bool = False) -> None:
            self.entry = FakeEntry(print, (request,), 1.0)
            self.entry.canceled = canceled

    consumer = a_consumer("default")
    request = FakeRequest(exchange="", routing_key="default")
    consumer.timer.schedule._queue = {Greenlet(request), Greenlet(request, canceled=True)}
    assert a_probe(consumer).read().checks[0].scheduled == 1


def test_an_eta_task_whose_queue_is_unknown_counts_for_the_worker_alone() -> None:
    consumer = a_consumer("default")
    consumer.timer.wait_for_eta(FakeRequest(exchange="x", routing_key="y"))
    reading = a_probe(consumer).read()
    assert (reading.scheduled, reading.checks[0].scheduled, reading.unattributed) == (1, 0, 0)


class Moving:
    """A collection that another thread changes: iterating fails as often as it is told to."""

    def __init__(self, items: list[Any], failures: int) -> None:
        self.items, self.failures = items, failures

    def __iter__(self) -> Iterator[Any]:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("Set changed size during iteration")
        return iter(self.items)


@pytest.mark.parametrize("name", ["active_requests", "reserved_requests"])
def test_a_set_that_changes_while_it_is_read_is_read_again(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(worker_state, name, Moving([FakeRequest(exchange="", routing_key="default")], failures=5))
    reading = a_probe(a_consumer("default")).read()
    assert reading.active + reading.reserved == 1


def test_a_set_that_never_holds_still_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_state, "active_requests", Moving([], failures=10_000))
    with pytest.raises(RuntimeError):
        a_probe(a_consumer("default")).read()


def test_the_totals_of_the_worker_are_read() -> None:
    worker_state.all_total_count[0] = 42
    reading = a_probe(a_consumer("default", pool=a_pool("prefork", 8), qos=SimpleNamespace(value=32))).read()
    assert (reading.pool, reading.concurrency, reading.prefetch_count, reading.processed) == ("prefork", 8, 32, 42)


@pytest.mark.parametrize("name", ["prefork", "solo", "gevent", "eventlet"])
def test_a_pool_is_called_as_on_the_command_line(name: str) -> None:
    assert a_probe(a_consumer("default", pool=a_pool(name))).read().pool == name


def test_the_pool_of_threads_is_called_threads() -> None:
    from celery.concurrency.thread import TaskPool

    assert pool_name(TaskPool.__new__(TaskPool)) == "threads"


def test_a_custom_pool_is_named_by_its_path() -> None:
    pool = type("Swimming", (), {"__module__": "their.pools", "num_processes": 1})()
    assert a_probe(a_consumer("default", pool=pool)).read().pool == "their.pools:Swimming"


def test_a_pool_that_has_been_stopped_is_as_wide_as_it_was() -> None:
    consumer = a_consumer("default", pool=a_pool(num_processes=8))
    probe = a_probe(consumer)
    probe.read()
    del type(consumer.pool).num_processes
    assert probe.read().concurrency == 8


@pytest.mark.parametrize(("value", "told"), [(16, 16), (0, 0), (-5, 0), (None, None), ("many", None), (10**18, 2**53)])
def test_a_prefetch_count_is_a_count_or_nothing(value: Any, told: int | None) -> None:
    assert a_probe(a_consumer("default", qos=SimpleNamespace(value=value))).read().prefetch_count == told


# What goes wrong.


def test_a_check_that_raises_is_dropped_and_reported_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Probe._check

    def failing(self: Probe, name: str, *args: Any) -> QueueCheck:
        if name == "bad":
            raise LookupError("no such queue")
        return take(self, name, *args)

    monkeypatch.setattr(Probe, "_check", failing)
    reading = a_probe(a_consumer("a", "bad", "z")).read()
    assert [check.queue for check in reading.checks] == ["a", "z"]
    assert [repr(failure) for failure in reading.failures] == ["LookupError('no such queue')"]


class Unspeakable:
    def __str__(self) -> str:
        raise ValueError("no text for you")

    __repr__ = __str__


def test_a_task_id_without_a_text_costs_only_the_check_of_its_queue() -> None:
    kept = run(task_id=Unspeakable(), exchange="", routing_key="bad")
    reading = a_probe(a_consumer("good", "bad")).read()
    assert [check.queue for check in reading.checks] == ["good"]
    assert len(reading.failures) == 1 and reading.active == 1 and kept is not None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\ud800", "\\ud800"),
        ("größe", "größe"),
        ("q" * 400, "q" * 255),
    ],
    ids=ascii,
)
def test_names_that_are_not_printable_are_sanitized(name: str, told: str) -> None:
    kept = run(task_id=name, exchange="", routing_key=name)
    reading = a_probe(a_consumer(name)).read()
    assert [check.queue for check in reading.checks] == [told]
    assert reading.checks[0].active == (told,) and kept


def test_what_the_probe_finds_can_be_sent() -> None:
    from celery_gossip.wire.encoding import encode
    from celery_gossip.wire.messages import decode

    class Mail(str):
        """As a member of a str enumeration, or Django's SafeString."""

    consumer = a_consumer(Queue(Mail("mail")), Queue("a\nb"))
    kept = [run(task_id=Mail("id"), exchange="", routing_key="mail"), run(task_id=7, exchange="", routing_key="a\nb")]
    reading = a_probe(consumer).read()
    gossip = a_gossip(checks=reading.checks, names=reading.names)
    assert decode(encode(gossip)) == gossip and kept


def test_the_probe_changes_nothing_and_keeps_no_request_alive() -> None:
    consumer = a_consumer("default")
    tasks = [run(exchange="", routing_key="default"), reserve(exchange="", routing_key="default")]
    probe = a_probe(consumer)
    for _ in itertools.repeat(None, 3):
        probe.read()
    assert len(worker_state.active_requests) == 1 and len(worker_state.reserved_requests) == 2
    del tasks
    gc.collect()
    assert len(worker_state.active_requests) == 0 and len(worker_state.reserved_requests) == 0
