"""Views that the dashboard is looked at with."""

import random
from dataclasses import replace
from typing import Any

from celery_gossip.diagnosis import CRITICAL, WARNING, Finding
from celery_gossip.histogram import bucket_of
from celery_gossip.throughput import Tally, Throughput
from celery_gossip.view import View, WorkerView, gather_queues
from tests.unit.build import OTHER_BOOT, a_check, a_gossip

NOW = 1000.0

HOSTILE = (
    "[red]bold[/red]\x1b[31mboo",
    "日本語の作業者@東京",
    "שלום@עולם",
    "e" + "\u0301" * 30 + "@marks",
    "a" * 255,
    "tab\there\nnew",
    "\u202eevil@rtl",
    "\u2764\ufe0f@heart",
    "\ud800lone",
)


def a_worker(hostname: str, state: str = "online", heard_at: float = NOW - 0.4, **fields: Any) -> WorkerView:
    placed = {name: fields.pop(name) for name in ("state_since", "rivals", "replaced") if name in fields}
    gossip = a_gossip(hostname=hostname, **fields)
    return WorkerView(gossip=gossip, state=state, heard_at=heard_at, age=NOW - heard_at, **placed)


def a_view(*workers: WorkerView, isolated_since: float | None = None, **backlogs: int | None) -> View:
    return View(workers, gather_queues(workers, backlogs), NOW, isolated_since)


def three_workers() -> View:
    """One at work, one whose loop is stalled, one lost."""
    mail = a_check("mail", active=("id-mail",), active_count=1, reserved=3, scheduled=1)
    default = a_check("default", active=("id-default",), active_count=1)
    reports = a_check("reports", active=("id-reports",), active_count=1)
    left = a_gossip(boot=OTHER_BOOT, active=1, checks=(a_check("mail", active=("id-left",), active_count=1),))
    return a_view(
        a_worker(
            *("shop1@vm",), concurrency=2, active=2, reserved=3, scheduled=1, processed=12345, checks=(default, mail)
        ),
        a_worker(
            *("shop2@vm", "stalled"), concurrency=2, active=1, stalled_for=75.0, loop_lag=0.9, pool="solo",
            checks=(a_check("mail", paused=True), reports),
        ),
        a_worker("shop3@vm", "lost", heard_at=NOW - 110, active=1, replaced=left, checks=(a_check("mail"),)),
        default=0, mail=1234, reports=None, orphans=99,
    )  # fmt: skip


def fared() -> dict[str, Throughput]:
    """How the tasks of two queues have fared in the last minute."""
    mail, default = Tally(), Tally()
    mail.counts = [260, 256, 200, 50, 4, 1, 0]
    mail.failures = {"SMTPServerDisconnected": 48, "KeyError": 2}
    mail.runtime = {bucket_of(0.04 * at): 1 + at for at in range(1, 22)}
    mail.wait = {bucket_of(0.5 * at): at for at in range(1, 22)}
    default.counts = [90_000, 90_000, 90_000, 0, 0, 0, 0]
    default.runtime = {bucket_of(0.002): 90_000}
    return {"mail": mail.throughput(60.0), "default": default.throughput(60.0)}


def findings() -> tuple[Finding, ...]:
    return (
        Finding("unserved", CRITICAL, "orphans", NOW - 130, "99 messages wait in orphans and no worker consumes it."),
        Finding("stalled", WARNING, "shop2@vm", NOW - 75, "The event loop of shop2@vm has not ticked for 75 s."),
    )


def many_workers(workers: int = 1000, queues: int = 10) -> View:
    """All online and busy with the same queues; the same at each call."""
    dice = random.Random(3)
    names = [f"queue_{number:02d}" for number in range(queues)]
    made = []
    for number in range(workers):
        counts = [dice.randrange(3) for _ in names]
        checks = tuple(
            a_check(name, active_count=count, active=tuple(f"{number}-{name}-{at}" for at in range(count)))
            for name, count in zip(names, counts, strict=True)
        )
        processed = dice.randrange(10**6)
        made.append(
            a_worker(f"w{number:04d}@vm", concurrency=20, active=sum(counts), processed=processed, checks=checks)
        )
    return a_view(*made, **{name: 1000 * at for at, name in enumerate(names)})


def hostile() -> tuple[View, tuple[Finding, ...]]:
    """Names that want to be markup, escapes, or wider than they look; past the decoder on purpose."""
    workers = [
        a_worker(name, pool=name, active=1, checks=(a_check(name, active=(name,), active_count=1),)) for name in HOSTILE
    ]
    told = tuple(Finding(name, CRITICAL, name, NOW - 1, f"{name} is [bold]bad[/bold]") for name in HOSTILE[:3])
    return a_view(*workers), told


def isolated() -> View:
    return replace(three_workers(), isolated_since=NOW - 30)
