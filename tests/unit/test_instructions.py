"""Tests for the benchmark that counts the instructions of a listener: its steps are those of a real listener."""

from itertools import islice

import pytest

from benchmarks import instructions
from benchmarks.instructions import Load, listen
from benchmarks.synthetic import Fleet, Plan
from celery_gossip.wire.encoding import encode

WORKERS = 12


@pytest.fixture
def rounds() -> list[list[bytes]]:
    encoded = (encode(gossip) for _, gossip in Fleet(Plan(workers=WORKERS, queues=3)).schedule())
    return [list(islice(encoded, WORKERS)) for _ in range(instructions.ROUNDS)]


@pytest.mark.parametrize("round_count", [1, 4])
def test_the_messages_of_each_round_reach_the_view(rounds: list[list[bytes]], round_count: int) -> None:
    workers = listen(rounds, Load(round_count, has_view=True)).view().workers
    assert {worker.gossip.seq for worker in workers} == {round_count}
    assert len(workers) == WORKERS and {worker.state for worker in workers} == {"online"}


def test_reviews_and_backlogs_are_included(rounds: list[list[bytes]]) -> None:
    listener = listen(rounds, Load(4, has_review=True, has_backlogs=True))
    assert listener._queue_lengths._missing == {"queue01", "queue02", "queue03"}, "a broker in memory has none of them"
    assert listener._checks._review_at > 1000.0 and listener._cluster.isolated_since is None
    assert listener._checks.diagnosis.findings == ()
