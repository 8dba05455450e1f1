"""Canaries: the undocumented names that the beat side uses exist; and what happens on a release without one."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from celery import Celery
from celery import beat as celery_beat
from celery.beat import ScheduleEntry, Scheduler, Service
from celery.schedules import crontab, schedule, solar
from django_celery_beat.clockedschedule import clocked
from redbeat.schedulers import RedBeatScheduler, RedBeatSchedulerEntry

from celery_gossip.beat import _compat as compat
from tests.unit.beat.schedulers import a_scheduler

TABLE = Path(__file__).parents[3] / "docs" / "reference" / "compatibility.md"
PATHS = [internal.path for internal in compat.INTERNALS]
CANARIES: dict[str, Callable[[], bool]] = {}
NEWER = {"celery.beat:beat_nodename"}  #: names that not every supported release of Celery has; since 5.7


def canary(*paths: str) -> Callable[[Callable[[], bool]], Callable[[], bool]]:
    """Register the check of names that importing alone cannot check, such as attributes set in __init__()."""

    def register(check: Callable[[], bool]) -> Callable[[], bool]:
        CANARIES.update(dict.fromkeys(paths, check))
        return check

    return register


def exists(path: str) -> bool:
    """Return True if this name, or this attribute of a class, exists after importing the module."""
    module, _, names = path.partition(":")
    found = import_module(module)
    for name in names.split("."):
        if not hasattr(found, name):
            return False
        found = getattr(found, name)
    return True


@pytest.mark.parametrize("path", PATHS)
def test_the_installed_release_has(path: str) -> None:
    if path in NEWER and not exists(path):
        pytest.skip("this release of Celery does not have it")
    assert CANARIES.get(path, lambda: exists(path))()


def test_a_canary_is_for_a_name_of_the_table_and_notices_an_unknown_one() -> None:
    assert CANARIES.keys() <= set(PATHS)
    assert len(PATHS) == len(set(PATHS))
    assert not exists("celery.beat:no_such") and not exists("celery.beat:Scheduler.no_such")


def test_the_documentation_has_the_same_table() -> None:
    rows = [f"| `{one.path}` | {one.purpose} | {one.without} |" for one in compat.INTERNALS]
    text = TABLE.read_text("utf-8")
    assert [row for row in rows if row not in text] == []


@canary("celery.beat:Service.start")
def start_sends_the_signal_with_the_service() -> bool:
    source = inspect.getsource(Service.start)
    return "signals.beat_init.send(sender=self)" in source and source.index("beat_init") < source.index("tick()")


@canary("celery.beat:Service.scheduler")
def the_scheduler_is_in_the_dictionary_of_the_service() -> bool:
    service = Service(Celery(set_as_current=False), scheduler_cls="tests.unit.beat.schedulers:LocalScheduler")
    return compat.scheduler_of(service) is None and service.scheduler is compat.scheduler_of(service)


@canary(
    "celery.beat:Scheduler.tick",
    "celery.beat:Scheduler.apply_async",
    "celery.beat:Scheduler.populate_heap",
    "celery.beat:Scheduler.close",
)
def they_are_looked_up_on_the_instance() -> bool:
    service, scheduler = inspect.getsource(celery_beat.Service), inspect.getsource(Scheduler)
    calls = ("self.scheduler.tick()", "self.scheduler.close()")
    return all(one in service for one in calls) and all(
        one in scheduler for one in ("self.apply_async(", "self.populate_heap(")
    )


@canary("celery.beat:Scheduler._heap", "celery.beat:event_t")
def the_heap_has_the_time_and_the_entry() -> bool:
    scheduler = a_scheduler(often=10.0)
    scheduler.tick()
    ((due_at, entry),) = compat.heap_events(scheduler)
    return entry.name == "often" and due_at > 1e9 and celery_beat.event_t._fields == ("time", "priority", "entry")


@canary(
    "celery.beat:ScheduleEntry.name",
    "celery.beat:ScheduleEntry.options",
    "celery.beat:ScheduleEntry.total_run_count",
    "celery.beat:ScheduleEntry.last_run_at",
)
def they_are_in_the_dictionary_of_an_entry() -> bool:
    app = Celery(set_as_current=False)
    entry = next(ScheduleEntry("a", "t", schedule=10.0, options={"queue": "q"}, app=app))
    fields = vars(entry)
    return (
        fields["name"] == "a"
        and fields["total_run_count"] == 1
        and fields["options"] == {"queue": "q"}
        and (compat.timestamp_of(fields["last_run_at"]) is not None)
    )


@canary("celery.schedules:schedule.run_every")
def the_interval_is_in_the_dictionary() -> bool:
    return bool(vars(schedule(10.0))["run_every"].total_seconds() == 10.0)


@canary(*(path for path in PATHS if path.startswith("celery.schedules:crontab.")))
def the_times_are_in_the_dictionary() -> bool:
    one = vars(crontab("1", "2", day_of_month="3", month_of_year="4", day_of_week="5"))
    return [str(one[f"_orig_{name}"]) for name in compat._CRONTAB] == ["1", "2", "3", "4", "5"]


@canary("celery.schedules:solar.event")
def the_event_is_set() -> bool:
    return "self.event = event" in inspect.getsource(solar.__init__)


@canary("django_celery_beat.clockedschedule:clocked.clocked_time")
def the_time_is_set() -> bool:
    return "self.clocked_time = " in inspect.getsource(clocked.__init__)


@canary("redbeat.schedulers:RedBeatScheduler.maybe_due")
def a_tick_considers_each_entry() -> bool:
    return "self.maybe_due(entry" in inspect.getsource(RedBeatScheduler.tick)


@canary("redbeat.schedulers:RedBeatScheduler.lock_key")
def the_key_is_set_and_the_lock_is_not() -> bool:
    return "self.lock_key = " in inspect.getsource(RedBeatScheduler.__init__) and RedBeatScheduler.lock is None


@canary("redbeat.schedulers:RedBeatSchedulerEntry.enabled")
def it_is_set() -> bool:
    return "self.enabled = " in inspect.getsource(RedBeatSchedulerEntry.__init__)


@canary("django_celery_beat.schedulers:DatabaseScheduler._heap")
def it_is_the_heap_of_the_base_class() -> bool:
    path = Path(str(inspect.getsourcefile(clocked))).with_name("schedulers.py")  # to import it needs settings
    source = path.read_text("utf-8")
    return "class DatabaseScheduler(Scheduler)" in source and "self._heap = []" in source


@canary("celery.beat:beat_nodename")
def it_names_the_host() -> bool:
    service = Service(Celery(set_as_current=False), hostname="mine@%h")
    return compat.beat_hostname(service) == celery_beat.beat_nodename("mine@%h")


@canary("celery.utils.dispatch.signal:Signal.receivers")
def they_are_pairs() -> bool:
    signal = celery_beat.signals.beat_init
    return all(len(one) == 2 for one in signal.receivers)


def test_without_the_node_name_of_celery_the_hostname_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(celery_beat, "beat_nodename", raising=False)
    assert compat.beat_hostname(object()).startswith("celerybeat@")


def test_a_schedule_in_the_settings_may_be_of_entries() -> None:
    app = Celery(set_as_current=False)
    app.conf.beat_schedule = {"a": ScheduleEntry("a", "t", schedule=10.0, app=app), "b": {"task": "u", "schedule": 5}}
    configured = [(name, task) for name, task, _, _ in compat.configured_entries(app)]
    assert configured == [("a", "t"), ("b", "u")]
