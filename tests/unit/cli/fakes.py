"""A listener that needs no broker, and the commands as a shell would run them."""

import json
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from celery_gossip.cli import gossip
from celery_gossip.cluster.failures import FailureView
from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import View
from celery_gossip.diagnosis.diagnosis import Finding
from tests.unit.console.views import a_view, a_worker


class FakeListener:
    """What a listener knows after it has listened for a minute."""

    def __init__(self, view: View | None = None, *findings: Finding, backlogs: dict[str, int | None] | None = None):
        self.uri = "redis://127.0.0.1:6379/0"
        self.options = SimpleNamespace(exchange="celery_gossip", interval=1.0)
        self.error: Exception | None = None
        self.failure = ""
        self.connected_at: float | None = time.monotonic() - 60.0
        self.is_diagnosing = False
        self.rejected: Counter[str] = Counter()
        self.findings = findings
        self.pace: dict[str, Throughput] = {}
        self.known = a_view(a_worker(), backlogs=backlogs or {"default": 0}) if view is None else view
        self.backlogs = dict(backlogs or {"default": 0})
        self.queues: tuple[str, ...] = ()  #: that it was asked for
        self.rules: Any = None  #: the same
        self.is_open = False
        self.failed = FailureView()
        self.balanced: tuple[QueueBalance, ...] = ()

    @property
    def cluster(self) -> Any:
        return SimpleNamespace(backlogs=lambda: self.backlogs, workers=lambda: self.known.workers)

    def view(self) -> View:
        return self.known

    def balance(self) -> tuple[QueueBalance, ...]:
        return self.balanced

    def failures(self) -> FailureView:
        return self.failed

    def throughput(self) -> dict[str, Throughput]:
        return self.pace

    def __enter__(self) -> "FakeListener":
        self.is_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False


def use_listener(monkeypatch: pytest.MonkeyPatch, listener: FakeListener) -> FakeListener:
    """Have `status` use this listener."""

    def open_listener(app: Any, queues: Any, rules: Any) -> FakeListener:
        listener.queues, listener.rules = tuple(queues), rules
        return listener

    monkeypatch.setattr("celery_gossip.cli.local_status.open_listener", open_listener)
    return listener


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    """Run `celery gossip` with these arguments, as the `celery` program does."""
    context = SimpleNamespace(app=None)
    return CliRunner().invoke(gossip, [*arguments], obj=context, env=env, auto_envvar_prefix="CELERY_GOSSIP")


def run_json(*arguments: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    return shown
