"""`celery inspect gossip`: the answer is the latest gossip, or one line with the reason why there is none."""

from types import SimpleNamespace
from typing import Any

import pytest

from celery_gossip.wire import messages
from celery_gossip.worker.inspect_command import gossip
from tests.unit.build import a_gossip


def answer_of(latest: Any) -> Any:
    return gossip(SimpleNamespace(consumer=SimpleNamespace(queue_gossip=SimpleNamespace(latest=latest))))


def test_the_answer_is_the_latest_gossip() -> None:
    assert answer_of(a_gossip(seq=7))["seq"] == 7


def test_a_worker_that_has_not_reported_yet_answers_so() -> None:
    assert "not gossiped yet" in answer_of(None)["error"]


def test_a_worker_without_the_step_answers_so() -> None:
    assert "does not gossip" in gossip(SimpleNamespace(consumer=SimpleNamespace()))["error"]


def test_a_gossip_that_cannot_be_shown_is_an_answer_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def blow_up(_: Any) -> Any:
        raise MemoryError("too much")

    monkeypatch.setattr(messages, "as_dict", blow_up)
    assert "MemoryError: too much" in answer_of(a_gossip())["error"]
