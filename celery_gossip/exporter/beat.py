"""Metric families of beat processes, and of the entries of their schedules. Pure.

A process that is offline or lost has `celery_gossip_beat_up` 0 and no other metric. Entries are those of MAX_ENTRIES at
most, without those of standby processes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric

from celery_gossip.cluster.beat_view import BeatView
from celery_gossip.cluster.schedule import ScheduledEntry, schedule_of
from celery_gossip.cluster.view import View
from celery_gossip.exporter.family import Family

__all__ = ["FAMILIES", "MAX_ENTRIES", "beat_families"]

MAX_ENTRIES = 1000  #: entries with metrics of their own, those with problems and those due next first
_LABELS = ("hostname", "app")
_ENTRY_LABELS = ("hostname", "app", "entry", "task")


@dataclass(frozen=True)
class _BeatMetric:
    """A family, and its value for one process; None leaves it out."""

    family: Family
    value: Callable[[BeatView], float | None]
    includes_gone: bool = False
    is_counter: bool = False


@dataclass(frozen=True)
class _EntryMetric:
    """A family, and its value for one entry; None leaves it out."""

    family: Family
    value: Callable[[ScheduledEntry], float | None]
    is_counter: bool = False


def _overdue(one: ScheduledEntry) -> float | None:
    """Return the seconds for which it is overdue, as its latest report says; it may have been sent since."""
    due = one.entry.entry.due
    return None if due is None or one.state == "unknown" else max(0.0, -due)


_METRICS = (
    _BeatMetric(
        Family("celery_gossip_beat_up", "1 unless a beat process is offline or lost.", _LABELS),
        lambda beat: not beat.is_gone,
        includes_gone=True,
    ),
    _BeatMetric(
        Family("celery_gossip_beat_standby", "1 while a beat process waits for the lock of its scheduler.", _LABELS),
        lambda beat: beat.is_standby,
    ),
    _BeatMetric(
        Family("celery_gossip_beat_tick_age_seconds", "Seconds since the latest tick of a scheduler.", _LABELS),
        lambda beat: beat.report.tick_age,
    ),
    _BeatMetric(
        Family(
            "celery_gossip_beat_stalled_seconds",
            "Seconds for which a tick of a scheduler is overdue; 0 while it ticks in time.",
            _LABELS,
        ),
        lambda beat: beat.report.stalled_for,
    ),
    _BeatMetric(
        Family("celery_gossip_beat_entries", "Entries of the schedule of a beat process.", _LABELS),
        lambda beat: beat.report.entry_count,
    ),
    _BeatMetric(
        Family("celery_gossip_beat_sends_total", "Tasks that a beat process has sent since its start.", _LABELS),
        lambda beat: beat.report.sends,
        is_counter=True,
    ),
    _BeatMetric(
        Family("celery_gossip_beat_errors_total", "Times that a beat process could not send a task.", _LABELS),
        lambda beat: beat.report.errors,
        is_counter=True,
    ),
)
_ENTRY_METRICS = (
    _EntryMetric(
        Family(
            "celery_gossip_beat_entry_overdue_seconds",
            "Seconds for which an entry of a schedule is overdue; 0 if it is due later; absent if unknown.",
            _ENTRY_LABELS,
        ),
        _overdue,
    ),
    _EntryMetric(
        Family(
            "celery_gossip_beat_entry_late_seconds",
            "Seconds by which the latest send of an entry was late; absent if unknown.",
            _ENTRY_LABELS,
        ),
        lambda one: one.entry.entry.late,
    ),
    _EntryMetric(
        Family("celery_gossip_beat_entry_sends_total", "Times that a beat process has sent an entry.", _ENTRY_LABELS),
        lambda one: one.entry.entry.sends,
        is_counter=True,
    ),
    _EntryMetric(
        Family(
            "celery_gossip_beat_entry_errors_total",
            "Times that a beat process could not send an entry.",
            _ENTRY_LABELS,
        ),
        lambda one: one.entry.entry.errors,
        is_counter=True,
    ),
)

FAMILIES = (*(metric.family for metric in _METRICS), *(metric.family for metric in _ENTRY_METRICS))


def beat_families(view: View, *, by_hostname: bool) -> Iterator[Metric]:
    """Yield the families of this module; none without the label `hostname`, since sums would hide a missing beat."""
    if not by_hostname:
        return
    for metric in _METRICS:
        family = metric.family.counter() if metric.is_counter else metric.family.gauge()
        for beat in view.beats:
            value = metric.value(beat) if metric.includes_gone or not beat.is_gone else None
            if value is not None:
                family.add_metric((beat.hostname, beat.app), float(value))
        yield family
    entries = schedule_of(view)[:MAX_ENTRIES]
    for one_metric in _ENTRY_METRICS:
        family = one_metric.family.counter() if one_metric.is_counter else one_metric.family.gauge()
        for one in entries:
            value = one_metric.value(one) if not one.beat.is_gone else None
            if value is not None:
                family.add_metric((one.beat.hostname, one.beat.app, one.entry.name, one.entry.task), float(value))
        yield family
