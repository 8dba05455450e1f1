"""Views for the tests of the dashboard."""

import random
from dataclasses import replace
from typing import Any

from celery_gossip.cluster.beat_view import BeatView, EntryView, Send
from celery_gossip.cluster.failures import Failure, FailureView
from celery_gossip.cluster.throughput import Throughput, ThroughputSum
from celery_gossip.cluster.view import View, WorkerView, build_queue_views
from celery_gossip.diagnosis.diagnosis import CRITICAL, WARNING, Finding
from celery_gossip.wire.histogram import bucket_index
from celery_gossip.wire.messages import Beat, BeatEntry, RunningTask, TaskCount
from tests.unit.build import BOOT, OTHER_BOOT, a_check, a_gossip

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
    return View(workers, build_queue_views(workers, backlogs), NOW, isolated_since)


def three_workers() -> View:
    """Return a view of three workers: one online, one stalled, one lost."""
    details = (RunningTask(0, 754.2, retries=2, is_redelivered=True, time_limit=900.0),)
    mail = a_check("mail", active=("id-mail",), active_count=1, reserved=3, scheduled=1, tasks=details)
    default = a_check("default", active=("id-default",), active_count=1)
    reports = a_check("reports", active=("id-reports",), active_count=1)
    left = a_gossip(boot=OTHER_BOOT, active=1, checks=(a_check("mail", active=("id-left",), active_count=1),))
    return a_view(
        a_worker(
            *("shop1@vm",), concurrency=2, active=2, reserved=3, scheduled=1, processed=12345, checks=(default, mail),
            names=("shop.send_mail", "mail", "shop.clean_up"), reserved_tasks=(TaskCount(1, 0, 2), TaskCount(1, 2, 1)),
            scheduled_tasks=(TaskCount(1, 2, 1),),
        ),
        a_worker(
            *("shop2@vm", "stalled"), concurrency=2, active=1, stalled_for=75.0, loop_lag=0.9, pool="solo",
            checks=(a_check("mail", paused=True), reports),
        ),
        a_worker("shop3@vm", "lost", heard_at=NOW - 110, active=1, replaced=left, checks=(a_check("mail"),)),
        default=0, mail=1234, reports=None, orphans=99,
    )  # fmt: skip


def a_schedule() -> View:
    """Return a view with a beat process whose schedule has an entry of each state, and one that was lost."""
    entries = (
        BeatEntry("clean-carts", "shop.clean", "every 60 s", due=12.0, sent_age=48.0, sends=3, runs=900, late=0.004),
        BeatEntry("rates", "shop.rates", "crontab 0 * * * *", due=-30.0, sent_age=3630.0, sends=1, late=1.25),
        BeatEntry(
            "report",
            "shop.report",
            "every 1 h",
            "reports",
            due=900.0,
            errors=2,
            error="OperationalError",
            error_age=70.0,
        ),
        BeatEntry("clocked", "shop.once"),
    )
    boots: Any = {
        "boot": BOOT,
        "app": "shop",
        "interval": 1.0,
        "uptime": 7200.0,
        "scheduler": "celery.beat:PersistentScheduler",
    }
    beats = [
        BeatView(
            Beat(seq=9, hostname=hostname, state="online", entry_count=len(some), entries=some, **boots),
            state,  # type: ignore[arg-type]
            heard_at=NOW - 0.4,
            state_since=NOW - 90,
            age=0.4,
            entries=tuple(
                EntryView(one, NOW - 0.4, (Send(NOW - 108, 1, late=0.1), Send(NOW - 48, 1, 1, "KeyError", 0.004)))
                for one in some
            ),
        )
        for hostname, state, some in (
            ("celerybeat@vm", "online", entries),
            ("celerybeat@old", "lost", (BeatEntry("weekly", "shop.weekly", "every 7 d", due=3600.0),)),
        )
    ]
    return replace(three_workers(), beats=tuple(beats))


def throughput_by_queue() -> dict[str, Throughput]:
    """Return the throughput of two queues in the last minute."""
    mail, default = ThroughputSum(), ThroughputSum()
    mail.counts = [260, 256, 200, 50, 4, 1, 0]
    mail.failures = {"SMTPServerDisconnected": 48, "KeyError": 2}
    mail.runtime = {bucket_index(0.04 * at): 1 + at for at in range(1, 22)}
    mail.wait = {bucket_index(0.5 * at): at for at in range(1, 22)}
    default.counts = [90_000, 90_000, 90_000, 0, 0, 0, 0]
    default.runtime = {bucket_index(0.002): 90_000}
    return {"mail": mail.throughput(60.0), "default": default.throughput(60.0)}


def findings() -> tuple[Finding, ...]:
    return (
        Finding("unserved", CRITICAL, "orphans", NOW - 130, "99 messages wait in orphans and no worker consumes it."),
        Finding("stalled", WARNING, "shop2@vm", NOW - 75, "The event loop of shop2@vm has not ticked for 75 s."),
    )


def a_failure(task: str, ago: float, message: str | None = None, **fields: Any) -> Failure:
    """Return a failure; with a message it has a traceback, too."""
    frames = ("shop.views:pay:12", "shop.cards:charge:41", "http.client:request:900") if message else ()
    given: dict[str, Any] = {
        "hostname": "shop1@vm",
        "boot": BOOT,
        "number": 1,
        "id": f"id-{ago:.0f}",
        "queue": "mail",
        "exception": "CardDeclined",
        "runtime": 1.25,
        "retries": 0,
        "line": frames[1] if frames else "",
    }
    return Failure(task=task, at=NOW - ago, message=message, traceback=frames, **{**given, **fields})


def failures() -> FailureView:
    """Return failures of two tasks, some with a message and a traceback."""
    declined = [a_failure("shop.pay", 5.0 + 70 * at, f"card {at} has no funds", retries=at) for at in range(25)]
    keys = [a_failure("shop.send_mail", 130.0, exception="KeyError", hostname="shop2@vm", queue="default")]
    return FailureView((*declined[:2], *keys, *declined[2:]), taken_at=NOW)


def hostile_failures() -> FailureView:
    """Return failures whose texts contain markup, escapes or wide characters, which the decoder would refuse."""
    return FailureView(
        tuple(
            a_failure(text, 1.0, text * 50, id=text, exception=text, hostname=text, queue=text, line=text)
            for text in HOSTILE
        ),
        taken_at=NOW,
    )


def many_workers(workers: int = 1000, queues: int = 10) -> View:
    """Return the same view at each call: all workers online and busy with the same queues."""
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
    """Return names that contain markup, escapes or wide characters, which the decoder would refuse."""
    workers = [
        a_worker(name, pool=name, active=1, checks=(a_check(name, active=(name,), active_count=1),)) for name in HOSTILE
    ]
    found = tuple(Finding(name, CRITICAL, name, NOW - 1, f"{name} is [bold]bad[/bold]") for name in HOSTILE[:3])
    return a_view(*workers), found


def isolated() -> View:
    return replace(three_workers(), isolated_since=NOW - 30)
