"""Lists single tasks that wait in the worker, for one report. Called by the probe, on its thread.

Only tasks that waited in the report before are listed, so that the short reservations of a busy worker cost nothing.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, repeat, zip_longest

from celery_gossip.wire.messages import MAX_WAITING_TASKS, WaitingState, WaitingTask
from celery_gossip.worker.bindings import QueueCounter, WaitingRequest
from celery_gossip.worker.task_details import TaskDetails

__all__ = ["list_waiting"]

_MAX_BYTES = 4 * 1024  #: of the list in a report, by estimate, with the names that only it refers to
_BASE_BYTES = 36  #: of a task without its id and its names


def list_waiting(
    details: TaskDetails, counters: Mapping[WaitingState, QueueCounter], limit: int
) -> tuple[WaitingTask, ...]:
    """Return at most `limit` tasks, the states in turn and of each the longest waiting first, within _MAX_BYTES."""
    listed: list[WaitingTask] = []
    limit, size = min(limit, MAX_WAITING_TASKS), 0
    if limit <= 0:
        return ()
    for state, waiting in _in_turn(counters):
        named = details.name_bytes
        task = details.waiting(state, waiting)
        if task is None:
            continue
        size += _BASE_BYTES + len(task.id) + details.name_bytes - named
        if size > _MAX_BYTES:
            break
        listed.append(task)
        if len(listed) >= limit:
            break
    return tuple(listed)


def _in_turn(counters: Mapping[WaitingState, QueueCounter]) -> Iterator[tuple[WaitingState, WaitingRequest]]:
    by_state = [zip(repeat(state), one.known_before()) for state, one in counters.items() if one.has_earlier]
    return (one for one in chain.from_iterable(zip_longest(*by_state)) if one is not None)
