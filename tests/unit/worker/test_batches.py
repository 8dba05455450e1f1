"""Batches: messages of tasks with a custom strategy count as long as their requests exist."""

import gc
from types import SimpleNamespace
from typing import Any

import pytest
from vine import promise

from celery_gossip.worker.batches import Batches
from celery_gossip.worker.probe import Probe
from tests.unit.fakes import a_consumer


@pytest.fixture
def consumer() -> Any:
    """A worker of a task `plain` and a task `own`, whose handler keeps what it is given in `held`."""
    strategies = {"plain": "celery.worker.strategy:default", "own": "shop:own_strategy"}
    app = SimpleNamespace(tasks={name: SimpleNamespace(Strategy=path) for name, path in strategies.items()})
    held: list[Any] = []

    def handle(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> None:
        held.append(SimpleNamespace(_on_ack=ack))

    return a_consumer("default", app=app, held=held, strategies={"plain": print, "own": handle})


def receive(consumer: Any, count: int = 1) -> None:
    for _ in range(count):
        consumer.strategies["own"](object(), None, promise(), promise(), [])


def test_held_messages_are_counted_until_their_requests_are_gone(consumer: Any) -> None:
    batches = Batches(consumer)
    assert batches.count([]) == 0
    gc.disable()
    try:
        receive(consumer, 3)
        assert batches.count([]) == 3
        del consumer.held[:2]
        assert batches.count([]) == 1
        consumer.held.clear()
        assert batches.count([]) == 0
    finally:
        gc.enable()


def test_the_handlers_of_ordinary_tasks_stay_as_they_are(consumer: Any) -> None:
    Batches(consumer).count([])
    assert consumer.strategies["plain"] is print


def test_a_handler_is_watched_once_and_again_when_celery_has_made_a_new_one(consumer: Any) -> None:
    batches = Batches(consumer)
    original = consumer.strategies["own"]
    batches.count([])
    watched = consumer.strategies["own"]
    batches.count([])
    assert consumer.strategies["own"] is watched is not original
    consumer.strategies["own"] = original
    batches.on_consumer_start()
    batches.count([])
    receive(consumer)
    assert batches.count([]) == 1


def test_requests_in_celerys_own_lists_are_not_counted_twice(consumer: Any) -> None:
    batches = Batches(consumer)
    batches.count([])
    receive(consumer, 2)
    assert batches.count([consumer.held[0]]) == 1


def test_a_promise_that_cannot_be_referenced_weakly_is_handled_all_the_same(consumer: Any) -> None:
    batches = Batches(consumer)
    batches.count([])
    consumer.strategies["own"](object(), None, (), (), [])
    assert len(consumer.held) == 1 and batches.count([]) == 0


def test_what_a_handler_raises_and_returns_is_passed_on(consumer: Any) -> None:
    def handle(*_: Any) -> str:
        return "answer"

    consumer.strategies["own"] = handle
    Batches(consumer).count([])
    assert consumer.strategies["own"](object(), None, promise(), promise(), []) == "answer"


def test_a_worker_without_strategies_costs_this_number_alone(consumer: Any) -> None:
    del consumer.strategies
    reading = Probe(consumer, 100).read()
    assert (reading.batched, len(reading.checks), len(reading.failures)) == (0, 1, 1)


def test_the_probe_reports_what_is_held(consumer: Any) -> None:
    probe = Probe(consumer, 100)
    probe.read()
    receive(consumer, 4)
    assert probe.read().batched == 4
