"""Builders of what the tests speak about: gossip, checks, readings and a clock that the test moves."""

import json
from typing import Any

from celery_gossip.wire.messages import Beat, BeatEntry, Gossip, Histogram, QueueCheck, TaskSeries, as_dict

BOOT = "0123456789abcdef"
OTHER_BOOT = "fedcba9876543210"


class FakeClock:
    """Seconds that pass only when the test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def a_check(queue: str = "default", **fields: Any) -> QueueCheck:
    values: dict[str, Any] = {
        "uuid": "11111111-2222-3333-4444-555555555555",
        "paused": False,
        "active": (),
        "active_count": 0,
        "reserved": 0,
        "scheduled": 0,
        "started_at": 1000.0,
        "updated_at": 1001.0,
        "shutdown_started_at": None,
    }
    return QueueCheck(queue=queue, **{**values, **fields})


def a_histogram(*buckets: tuple[int, int, int], count: int | None = None, total: float = 1.5) -> Histogram:
    """Of these `(bucket, count, recent)`."""
    return Histogram(count=sum(one[1] for one in buckets) if count is None else count, total=total, buckets=buckets)


def a_series(queue: str = "default", task: str = "shop.pack", **fields: Any) -> TaskSeries:
    return TaskSeries(queue=queue, task=task, **{"age": 60.0, "received": 1, **fields})


def a_gossip(**fields: Any) -> Gossip:
    values: dict[str, Any] = {
        "v": 1,
        "app": "shop",
        "hostname": "celery@web1",
        "boot": BOOT,
        "seq": 1,
        "interval": 1.0,
        "sent_at": 1001.0,
        "state": "online",
        "stalled_for": 0.0,
        "loop_lag": 0.0,
        "pool": "prefork",
        "concurrency": 4,
        "prefetch_count": 16,
        "active": 0,
        "reserved": 0,
        "scheduled": 0,
        "processed": 0,
        "unattributed": 0,
        "checks": (a_check(),),
    }
    return Gossip(**{**values, **fields})


def an_entry(name: str = "clean", **fields: Any) -> BeatEntry:
    return BeatEntry(**{"name": name, "task": f"shop.{name}", "schedule": "every 10 s", "due": 4.0, **fields})


def a_beat(*entries: BeatEntry, **fields: Any) -> Beat:
    values: dict[str, Any] = {
        "boot": BOOT,
        "seq": 1,
        "app": "shop",
        "hostname": "celerybeat@web1",
        "interval": 1.0,
        "state": "online",
        "uptime": 60.0,
        "entry_count": len(entries),
    }
    return Beat(entries=entries, **{**values, **fields})


def a_wire_gossip(**fields: Any) -> dict[str, Any]:
    """The same as JSON knows it, for tests that put something wrong into it."""
    return {**as_dict(a_gossip()), **fields}


def wire(**fields: Any) -> bytes:
    return json.dumps(a_wire_gossip(**fields)).encode()
