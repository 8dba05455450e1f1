"""Memory size of a report, and functions that reduce it. Pure.

Used by Member and ViewLimits under the Cluster's lock. Counts are always kept; task ids and series are removed first,
then checks.
"""

from sys import getsizeof
from typing import Any

import msgspec

from celery_gossip.wire.encoding import clear_unused_names, keep_checks
from celery_gossip.wire.messages import Gossip

__all__ = ["MAX_RIVAL_IDS", "keep_queues", "max_memory_size", "memory_size", "shrink_to", "strip_details"]

MAX_RIVAL_IDS = 10  #: task ids kept of an instance that is not the current one: as many as a finding lists
#: Bytes of a report without checks but with resources, measured on CPython 3.11; its software is shared.
_BASE = 2_100
_CHECK = 350  #: bytes of a check without its strings
_STRING = 57  #: bytes of a string without its characters, with the reference to it
_AGE = 32  #: bytes of an age, with the reference to it
_TASK = 160  #: bytes of the details of a running task
_WAITING = 100  #: bytes of a count of waiting tasks
_WAITING_TASK = 190  #: bytes of a waiting task without its id
_HELD = 120  #: bytes of a message that is held for long, without its strings
_SERIES = 1_200  #: bytes of a series without its buckets
_BUCKET = 140  #: bytes
#: Bytes of memory per byte of JSON: an empty task id with its details takes 9 there, and _STRING + _TASK here.
_MAX_PER_JSON_BYTE = 25
_NO_DETAILS: dict[str, Any] = dict.fromkeys(
    ("series", "reserved_tasks", "scheduled_tasks", "waiting", "stack", "held", "newest"), ()
)


def memory_size(gossip: Gossip) -> int:
    """Return the approximate size of this report in bytes. Takes about 2 µs for ten queues."""
    texts: list[str] = []
    add, details = texts.extend, 0
    add(gossip.names)
    add(gossip.stack)
    for held in gossip.held:
        add((held.queue, held.task, held.id))
    if gossip.waiting:
        add([one.id for one in gossip.waiting])
    for check in gossip.checks:
        add((check.queue, check.uuid))
        if check.active:
            add(check.active)
            details += len(check.tasks)
    # One getsizeof() of all strings joined is faster than one per string; it takes the widest character for all.
    size = _BASE + _CHECK * len(gossip.checks) + _STRING * len(texts) + getsizeof("".join(texts))
    size += _TASK * details + _WAITING * (len(gossip.reserved_tasks) + len(gossip.scheduled_tasks))
    size += _WAITING_TASK * len(gossip.waiting)
    size += _HELD * len(gossip.held) + _AGE * len(gossip.newest)
    for one in gossip.series:
        size += _SERIES
        if one.runtime is not None:
            size += _BUCKET * len(one.runtime.buckets)
        if one.wait is not None:
            size += _BUCKET * len(one.wait.buckets)
    return size


def max_memory_size(json_size: int, series: int) -> int:
    """Return an upper bound of memory_size() for reports with this size of their JSON and this number of series."""
    return 2 * _BASE + _MAX_PER_JSON_BYTE * json_size + _SERIES * series


def strip_details(gossip: Gossip, max_ids: int = MAX_RIVAL_IDS) -> Gossip:
    """Return the report with at most `max_ids` running tasks in all, and without series and details.

    Series and ages were already counted. Waiting tasks, the stack and held messages are those of a worker that is
    current.
    """
    waiting = (gossip.reserved_tasks, gossip.scheduled_tasks, gossip.waiting)
    if not any((gossip.series, *waiting, gossip.stack, gossip.held, gossip.newest)) and _listed(gossip) <= max_ids:
        return gossip
    checks = []
    for check in gossip.checks:
        active = check.active[:max_ids]
        max_ids -= len(active)
        is_whole = len(active) == len(check.active)
        tasks = check.tasks[: len(active)]
        checks.append(check if is_whole else msgspec.structs.replace(check, active=active, tasks=tasks))
    return clear_unused_names(msgspec.structs.replace(gossip, checks=tuple(checks), **_NO_DETAILS))


def shrink_to(gossip: Gossip, size: int) -> Gossip:
    """Return the report reduced to about `size` bytes: without task ids and series, then without the last checks."""
    if memory_size(gossip) <= size:
        return gossip
    stripped = strip_details(gossip, max_ids=0)
    stripped_size = memory_size(stripped)
    if stripped_size <= size or not stripped.checks:
        return stripped
    kept = max(0, size - _BASE) * len(stripped.checks) // (stripped_size - _BASE)
    return keep_checks(stripped, range(min(kept, len(stripped.checks))))


def keep_queues(gossip: Gossip, queues: frozenset[str]) -> Gossip:
    """Return the report without the checks of other queues, which count as `omitted`."""
    kept = [at for at, check in enumerate(gossip.checks) if check.queue in queues]
    return gossip if len(kept) == len(gossip.checks) else keep_checks(gossip, kept)


def _listed(gossip: Gossip) -> int:
    return sum([len(check.active) for check in gossip.checks])
