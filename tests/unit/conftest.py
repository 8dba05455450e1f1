"""What unit tests share: the worker's global state, emptied, and telemetry that a test can look at."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from celery.worker import state as worker_state

from celery_gossip import signals


@pytest.fixture(autouse=True)
def no_requests() -> Iterator[None]:
    """The requests of a worker are module globals of Celery: each test begins without any."""
    yield
    for requests in (worker_state.active_requests, worker_state.reserved_requests):
        requests.clear()
    worker_state.all_total_count[0] = 0


class Telemetry(list[tuple[str, dict[str, Any]]]):
    """Every signal sent, in order, as (name, data)."""

    def of(self, name: str) -> list[dict[str, Any]]:
        return [data for sent, data in self if sent == name]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    heard = Telemetry()

    def listen(name: str) -> Any:
        def on_signal(sender: Any, **data: Any) -> None:
            heard.append((name, data))

        return on_signal

    with ExitStack() as stack:
        for name in signals.__all__:
            if name != "emit":
                stack.enter_context(getattr(signals, name).connected_to(listen(name)))
        yield heard
