"""A scheduler that a test moves, and one that is Celery's own without a broker."""

from types import SimpleNamespace
from typing import Any

from celery import Celery
from celery.beat import Scheduler


class Undelivered(Exception):
    """The broker does not answer."""


class LocalScheduler(Scheduler):  # type: ignore[misc]
    """Celery's own scheduler; what it sends is in a list."""

    def __init__(self, app: Celery, **options: Any) -> None:
        self.sent: list[str] = []
        self.error: Exception | None = None
        super().__init__(app, **options)

    producer = None

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        if self.error is not None:
            raise self.error
        self.sent.append(name)
        return SimpleNamespace(id="1")


def a_scheduler(**schedule: Any) -> LocalScheduler:
    """Return a scheduler with entries of these names, each of its interval in seconds or a whole entry."""
    app = Celery("shop", set_as_current=False)
    app.conf.result_expires = None
    app.conf.beat_schedule = {
        name: fields if isinstance(fields, dict) else {"task": f"shop.{name}", "schedule": fields}
        for name, fields in schedule.items()
    }
    return LocalScheduler(app)


class RedBeatLike:
    """A scheduler without a heap, which considers the entries of its list at each tick."""

    def __init__(self, *entries: Any) -> None:
        self.entries = list(entries)
        self.lock_key: str | None = "lock"
        self.lock: object | None = None
        self.sent: list[str] = []

    def tick(self) -> float:
        for entry in self.entries:
            self.maybe_due(entry, producer=None)
        return 1.0

    def maybe_due(self, entry: Any, **_: Any) -> float:
        if entry.is_due:
            self.apply_async(entry)
        return float(entry.due_in)

    def apply_async(self, entry: Any, **_: Any) -> None:
        self.sent.append(entry.name)

    def close(self) -> None:
        """Nothing is open."""


def an_item(name: str, due_in: float = 5.0, **fields: Any) -> SimpleNamespace:
    """An entry of a RedBeatLike."""
    values = {"task": f"shop.{name}", "schedule": 10, "options": {}, "total_run_count": 0, "last_run_at": None}
    return SimpleNamespace(**{**values, "name": name, "due_in": due_in, "is_due": False, **fields})
