"""Which reports confirm a command, and which commands no report can confirm."""

from typing import Any

import pytest

from celery_gossip.cluster.view import WorkerView
from celery_gossip.control.command import (
    AddConsumer,
    Autoscale,
    Command,
    Grow,
    Pause,
    PoolRestart,
    RateLimit,
    Resume,
    Revoke,
    Shrink,
    Shutdown,
    Terminate,
    TimeLimit,
)
from celery_gossip.control.effect import is_effective, is_observable
from celery_gossip.wire.messages import Gossip, PoolProcesses, Resources
from tests.unit.build import OTHER_BOOT, a_check, a_gossip

RUNNING = (a_check("mail", active=("t1",), active_count=1),)


def seen(*rivals: Gossip, state: Any = "online", resources: Resources | None = None, **fields: Any) -> WorkerView:
    return WorkerView(a_gossip(hostname="w", **fields), state, 0.0, rivals=rivals, resources=resources)


def ended(terminated: int) -> Resources:
    """Return resources of a pool of four processes, of which so many were terminated and replaced."""
    return Resources(
        processes=PoolProcesses(started=4 + terminated, exited=0, recycled=0, terminated=terminated, lost=0, starting=0)
    )


@pytest.mark.parametrize(
    ("command", "fields", "expected"),
    [
        (Pause(source="0", queue="mail"), {"checks": (a_check("mail", paused=True),)}, True),
        (Pause(source="0", queue="mail"), {"checks": (a_check("mail"),)}, False),
        (Pause(source="0", queue="mail"), {"checks": ()}, False),
        (Resume(source="0", queue="mail"), {"checks": (a_check("mail"),)}, True),
        (AddConsumer(source="0", queue="new", hostname="w"), {"checks": (a_check("mail"), a_check("new"))}, True),
        (AddConsumer(source="0", queue="new", hostname="w"), {"checks": (a_check("mail"),)}, False),
        (Grow(source="0", hostname="w", n=2), {"concurrency": 6}, True),
        (Grow(source="0", hostname="w", n=2), {"concurrency": 5}, False),
        (Shrink(source="0", hostname="w", n=2), {"concurrency": 2}, True),
        (Shrink(source="0", hostname="w", n=2), {"concurrency": 3}, False),
        (Autoscale(source="0", hostname="w", max=3, min=1), {"concurrency": 3}, True),
        (Autoscale(source="0", hostname="w", max=3, min=1), {"concurrency": 4}, False),
        (Shutdown(source="0", hostname="w"), {"gossip_state": "draining"}, True),
        (Shutdown(source="0", hostname="w"), {}, False),
        (Terminate(source="0", ids=["t1", "t2"]), {"checks": (a_check("mail"),)}, True),
        (Terminate(source="0", ids=["t1"]), {"checks": RUNNING}, False),
        (Terminate(source="0", ids=["t1"]), {"checks": (a_check("mail", active_count=1),)}, False),
        (Terminate(source="0", ids=["t1"]), {"checks": (), "omitted": 1}, False),
    ],
    ids=lambda value: value.words if hasattr(value, "words") else "",
)
def test_a_later_report_shows_the_effect(command: Command, fields: dict[str, Any], expected: bool) -> None:
    fields = {"state" if name == "gossip_state" else name: value for name, value in fields.items()}
    before = seen(seq=7, checks=RUNNING)
    after = WorkerView(a_gossip(hostname="w", **{"seq": 8, **fields}), "online", 0.0)
    assert is_observable(command, before)
    assert is_effective(command, before, after) is expected


def test_a_report_of_before_the_command_shows_nothing() -> None:
    before = seen(seq=7, checks=(a_check("mail", paused=True),))
    assert not is_effective(Pause(source="0", queue="mail"), before, before)


def test_a_task_is_terminated_when_its_process_has_ended_and_not_when_it_is_no_longer_listed() -> None:
    command = Terminate(source="0", ids=["t1"])
    before = seen(seq=1, checks=RUNNING, resources=ended(3))
    for terminated, checks, expected in ((3, (), False), (4, RUNNING, False), (4, (), True)):
        assert is_effective(command, before, seen(seq=2, checks=checks, resources=ended(terminated))) is expected


def test_a_shutdown_is_confirmed_by_the_end_of_the_instance_but_not_by_its_loss() -> None:
    command, before = Shutdown(source="0", hostname="w"), seen()
    assert is_effective(command, before, _offline())
    assert is_effective(command, before, seen(boot=OTHER_BOOT))
    assert not is_effective(command, before, seen(state="lost"))
    assert not is_effective(command, before, None)
    assert not is_effective(command, before, seen(a_gossip(hostname="w"), boot=OTHER_BOOT, state="conflict"))


def _offline() -> WorkerView:
    return WorkerView(a_gossip(hostname="w", seq=2, state="offline"), "offline", 0.0)


def test_an_instance_that_was_replaced_confirms_nothing_else() -> None:
    before = seen(checks=RUNNING)
    assert not is_effective(Terminate(source="0", ids=["t1"]), before, seen(boot=OTHER_BOOT, checks=()))


@pytest.mark.parametrize(
    "command",
    [
        Revoke(source="0", ids=["t1"]),
        RateLimit(source="0", task="t", rate_limit="1/s"),
        TimeLimit(source="0", task="t", hard=3),
        Terminate(source="0", ids=["not listed"]),
        Autoscale(source="0", hostname="w", max=8, min=1),
        PoolRestart(source="0", hostname="w"),
    ],
    ids=lambda command: command.words,
)
def test_no_report_can_show_these(command: Command) -> None:
    assert not is_observable(command, seen(checks=RUNNING))
