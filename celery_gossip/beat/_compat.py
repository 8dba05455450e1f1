"""Access to undocumented names of Celery's beat, django-celery-beat and redbeat. Other modules of beat use these.

Nothing here runs code of a scheduler: attributes are read from the objects' own dictionaries, because a property may
query a database. A name that is missing costs only the value that depends on it. The table of all names is `INTERNALS`;
each has a canary test in tests/unit/beat/test_compat.py, and a row in docs/reference/compatibility.md.
"""

import socket
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

__all__ = [
    "INTERNALS",
    "Internal",
    "beat_hostname",
    "configured_entries",
    "entry_field",
    "has_heap",
    "heap_events",
    "holds_lock",
    "period_of",
    "put_first",
    "schedule_in_words",
    "scheduler_of",
    "timestamp_of",
]


@dataclass(frozen=True)
class Internal:
    """An undocumented name."""

    path: str  #: `module:name` or `module:Class.attribute`
    purpose: str
    without: str  #: behaviour on a release that does not have the name


_NOT_STALLED = "a beat that does not tick is not noticed"
_NOT_SENT = "sends are counted by `total_run_count` alone"
_OBSERVED = "an entry is known once it was sent"
_CLASS = "the class of the schedule is named"

INTERNALS = (
    Internal("celery.beat:Service.start", "source of `beat_init`, with the service as sender", "beat is not reported"),
    Internal("celery.beat:Service.scheduler", "the scheduler", "beat is not reported"),
    Internal("celery.beat:Scheduler.tick", "notice that beat ticks", _NOT_STALLED),
    Internal("celery.beat:Scheduler.apply_async", "count sends and errors", _NOT_SENT),
    Internal("celery.beat:Scheduler.populate_heap", "notice changes of the schedule", "they are noticed within 60 s"),
    Internal("celery.beat:Scheduler.close", "notice that beat ends", "reported at the exit of the process"),
    Internal("celery.beat:Scheduler._heap", "entries of the schedule, and when they are due", _OBSERVED),
    Internal("celery.beat:event_t", "the fields of the heap's items", _OBSERVED),
    Internal("celery.beat:ScheduleEntry.name", "entries of the schedule", "they are not reported"),
    Internal("celery.beat:ScheduleEntry.options", "queue of an entry", "it is left out"),
    Internal("celery.beat:ScheduleEntry.total_run_count", "number of runs of an entry", "it is 0"),
    Internal("celery.beat:ScheduleEntry.last_run_at", "when an entry was sent before beat started", "it is unknown"),
    Internal("celery.beat:beat_nodename", "hostname of beat", "`celerybeat@` and the name of the host"),
    Internal("celery.schedules:schedule.run_every", "interval of an entry", _CLASS),
    Internal("celery.schedules:crontab._orig_minute", "times of a crontab entry", _CLASS),
    Internal("celery.schedules:crontab._orig_hour", "the same", _CLASS),
    Internal("celery.schedules:crontab._orig_day_of_month", "the same", _CLASS),
    Internal("celery.schedules:crontab._orig_month_of_year", "the same", _CLASS),
    Internal("celery.schedules:crontab._orig_day_of_week", "the same", _CLASS),
    Internal("celery.schedules:solar.event", "event of a solar entry", _CLASS),
    Internal("celery.utils.dispatch.signal:Signal.receivers", "report a redbeat that waits", "not reported"),
    Internal("redbeat.schedulers:RedBeatScheduler.maybe_due", "entries, and when they are due", _OBSERVED),
    Internal("redbeat.schedulers:RedBeatScheduler.lock_key", "recognize a scheduler with a lock", "it is unknown"),
    Internal("redbeat.schedulers:RedBeatScheduler.lock", "whether it holds the lock", "it is unknown"),
    Internal("redbeat.schedulers:RedBeatSchedulerEntry.enabled", "leave out disabled entries", "they are reported"),
    Internal("django_celery_beat.schedulers:DatabaseScheduler._heap", "entries of the schedule", _OBSERVED),
    Internal("django_celery_beat.clockedschedule:clocked.clocked_time", "time of a clocked entry", _CLASS),
)

_CRONTAB = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
_ABSENT = object()


def scheduler_of(service: Any) -> Any:
    """Return the scheduler of this celery.beat.Service, which has created it before it starts; None if it has none."""
    return vars(service).get("scheduler")


def beat_hostname(service: Any) -> str:
    """Return the node name of a beat process, as `celery inspect` shows it."""
    nodename = getattr(sys.modules.get("celery.beat"), "beat_nodename", None)
    if nodename is not None:
        return str(nodename(vars(service).get("hostname")))
    return f"celerybeat@{socket.gethostname()}"


def put_first(signal: Any, receiver: Any) -> None:
    """Let this signal call the receiver, the latest that was connected, before all others: one of them may block."""
    receivers = getattr(signal, "receivers", None)
    if isinstance(receivers, list) and receivers and receivers[-1][1] is receiver:
        receivers.insert(0, receivers.pop())
        signal.sender_receivers_cache.clear()


def has_heap(scheduler: Any) -> bool:
    """Return True for schedulers that keep their entries in a heap: those of Celery and django-celery-beat."""
    return isinstance(vars(scheduler).get("_heap"), list)


def heap_events(scheduler: Any) -> list[tuple[float, Any]]:
    """Return the entries in the heap, each with the Unix time at which it is due. A list is copied at once."""
    heap = vars(scheduler).get("_heap")
    items = list(heap) if isinstance(heap, list) else []
    return [(item[0], item[2]) for item in items if len(item) > 2 and type(item[0]) in (float, int)]


def entry_field(entry: Any, name: str, default: Any = None) -> Any:
    """Return this attribute of an entry, without calling a property."""
    fields = getattr(entry, "__dict__", None)
    return fields.get(name, default) if isinstance(fields, dict) else default


def holds_lock(scheduler: Any) -> bool | None:
    """Return True if the scheduler holds its lock, False if it waits for it, None if it has no lock (redbeat's has)."""
    fields = vars(scheduler)
    if not fields.get("lock_key"):
        return None
    return fields.get("lock") is not None


def configured_entries(app: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield name, task, schedule and options of the entries in the setting `beat_schedule`."""
    entries = app.conf.beat_schedule
    for name, fields in list(entries.items()) if isinstance(entries, dict) else ():
        if isinstance(fields, dict):
            yield name, fields.get("task"), fields.get("schedule"), fields.get("options")
        else:
            yield name, *(entry_field(fields, field) for field in ("task", "schedule", "options"))


def schedule_in_words(schedule: Any) -> str:
    """Return a schedule as a short text; the name of its class if it is not one of Celery's or django-celery-beat's."""
    try:
        return _words(schedule)
    except Exception:  # a subclass without these attributes
        return type(schedule).__name__


def period_of(schedule: Any) -> float | None:
    """Return the seconds between two runs of a schedule with a fixed interval; None for all others."""
    kind = type(schedule)
    if f"{kind.__module__}.{kind.__name__}" == "celery.schedules.schedule":
        schedule = vars(schedule).get("run_every")
    if isinstance(schedule, timedelta):
        return schedule.total_seconds()
    return float(schedule) if type(schedule) in (int, float) else None


def timestamp_of(value: Any) -> float | None:
    """Return the Unix seconds of a datetime, which is in UTC if it has no time zone; None for anything else."""
    if not isinstance(value, datetime):
        return None
    return (value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)).timestamp()


def _words(schedule: Any) -> str:
    if isinstance(schedule, (int, float, timedelta)):
        return _every(schedule)
    fields, bases = vars(schedule), {f"{base.__module__}.{base.__name__}" for base in type(schedule).__mro__}
    if "celery.schedules.crontab" in bases:
        zone = fields.get("tz")
        times = " ".join(str(fields[f"_orig_{name}"]) for name in _CRONTAB)
        return f"crontab {times}" + (f" {zone}" if zone is not None and str(zone) != "UTC" else "")
    if "celery.schedules.solar" in bases:
        return f"solar {fields['event']}"
    if "django_celery_beat.clockedschedule.clocked" in bases:
        return f"once at {fields['clocked_time'].isoformat(timespec='seconds')}"
    if "celery.schedules.schedule" in bases and isinstance(fields.get("run_every"), (int, float, timedelta)):
        return _every(fields["run_every"])
    return type(schedule).__name__


def _every(value: float | timedelta) -> str:
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    parts = list(_parts(seconds))
    return f"every {' '.join(parts)}" if parts else "every 0 s"


def _parts(seconds: float) -> Iterator[str]:
    if seconds < 60:
        yield f"{seconds:g} s"
        return
    units: Iterable[tuple[str, int]] = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for unit, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            yield f"{count:g} {unit}"
