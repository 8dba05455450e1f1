"""Encoding of messages within MAX_BYTES: what does not fit is removed, the least important part first. Pure.

Called on the sender thread of a worker and on the thread of a listener.
"""

from collections.abc import Sequence

import msgspec

from celery_gossip.errors import OversizedGossip
from celery_gossip.wire.messages import MAX_BYTES, Beat, Echo, Gossip, QueueCheck

__all__ = ["clear_unused_names", "encode", "encode_beat", "encode_bounded", "encode_echo", "keep_checks"]

_MIN_SERIES = 2  #: series kept in every gossip: else a worker with many queues would never report its tasks

_encoder = msgspec.json.Encoder()


def encode(gossip: Gossip) -> bytes:
    """Return the message body, at most MAX_BYTES. See encode_bounded()."""
    return encode_bounded(gossip)[1]


def encode_bounded(gossip: Gossip) -> tuple[Gossip, bytes]:
    """Return the part of the gossip that fits into MAX_BYTES, and its message body.

    Details are removed in this order: waiting tasks; running tasks, those that ran longest last (counts stay exact);
    failures, the oldest first (a later report contains them); the names of waiting tasks; the stack; messages held for
    long, the software and the profile; all series but two, from the last (they are repeated in later reports); the
    checks of the least busy queues (counted in `omitted`). Raises OversizedGossip if the rest is still too long.
    """
    body = _encoder.encode(gossip)
    while len(body) > MAX_BYTES:
        gossip = _reduce(gossip, len(body))
        body = _encoder.encode(gossip)
    return gossip, body


def encode_echo(echo: Echo) -> bytes:
    """Return the message body."""
    return _encoder.encode(echo)


def encode_beat(beat: Beat) -> bytes:
    """Return the message body, at most MAX_BYTES: the last entries are left out if they do not fit."""
    body = _encoder.encode(beat)
    while len(body) > MAX_BYTES:
        if not beat.entries:
            raise OversizedGossip(f"a report of beat without entries takes {len(body)} bytes, {MAX_BYTES} allowed")
        kept = min(len(beat.entries) - 1, len(beat.entries) * MAX_BYTES // len(body))
        beat = msgspec.structs.replace(beat, entries=beat.entries[:kept])
        body = _encoder.encode(beat)
    return body


def clear_unused_names(gossip: Gossip) -> Gossip:
    """Return the gossip with an empty string for each name that nothing refers to; the others keep their index."""
    used = {task.name for check in gossip.checks for task in check.tasks}
    for waiting in (*gossip.reserved_tasks, *gossip.scheduled_tasks):
        used.update((waiting.queue, waiting.task))
    for one in gossip.waiting:
        used.update((one.task, one.queue))
    for failure in gossip.failures:
        used.update((failure.task, failure.queue, failure.exception, *failure.frames))
    names = tuple(name if index in used else "" for index, name in enumerate(gossip.names))
    return msgspec.structs.replace(gossip, names=names[: max(used, default=-1) + 1])


def keep_checks(gossip: Gossip, kept: Sequence[int]) -> Gossip:
    """Return the gossip with the checks at these positions, in this order; the others count as `omitted`."""
    checks, newest = gossip.checks, gossip.newest
    ages = [newest[at] if at < len(newest) else None for at in kept] if newest else []
    return msgspec.structs.replace(
        gossip,
        checks=tuple([checks[at] for at in kept]),
        newest=tuple(ages) if any(age is not None for age in ages) else (),
        omitted=gossip.omitted + len(checks) - len(kept),
    )


def _reduce(gossip: Gossip, size: int) -> Gossip:
    """Return the gossip with fewer task ids, names, series or checks; `size` is that of its body."""
    longest = max((len(check.active) for check in gossip.checks), default=0)
    if gossip.waiting or longest or gossip.failures:
        return _limit_tasks(gossip, longest)
    if gossip.names:
        return msgspec.structs.replace(gossip, names=(), reserved_tasks=(), scheduled_tasks=())
    if gossip.stack:
        return msgspec.structs.replace(gossip, stack=())
    if gossip.held or gossip.software is not None or gossip.profile is not None:
        return msgspec.structs.replace(gossip, held=(), software=None, profile=None)
    min_series = _MIN_SERIES if gossip.checks else 0
    if len(gossip.series) > min_series:
        series = gossip.series[: max(min_series, len(gossip.series) // 2)]
        deferred = gossip.deferred + len(gossip.series) - len(series)
        return msgspec.structs.replace(gossip, series=series, deferred=deferred)
    if not gossip.checks:
        raise OversizedGossip(f"a gossip without checks takes {size} bytes, {MAX_BYTES} allowed")
    return keep_checks(gossip, _busiest(gossip.checks, len(gossip.checks) * MAX_BYTES // size - 1))


def _limit_tasks(gossip: Gossip, longest: int) -> Gossip:
    """Return the gossip with fewer tasks; `longest` is the length of the longest list of running ones."""
    if gossip.waiting:
        return clear_unused_names(msgspec.structs.replace(gossip, waiting=()))
    return _limit_running(gossip, longest // 2) if longest else _limit_failures(gossip)


def _limit_running(gossip: Gossip, max_ids: int) -> Gossip:
    """Return the gossip with at most so many running tasks per queue, and without the names that only others have."""
    replace = msgspec.structs.replace
    checks = tuple(
        replace(check, active=check.active[:max_ids], tasks=check.tasks[:max_ids])
        if len(check.active) > max_ids
        else check
        for check in gossip.checks
    )
    return clear_unused_names(replace(gossip, checks=checks))


def _limit_failures(gossip: Gossip) -> Gossip:
    """Return the gossip with the newer half of its failures."""
    kept = gossip.failures[: len(gossip.failures) // 2]
    return clear_unused_names(msgspec.structs.replace(gossip, failures=kept))


def _busiest(checks: tuple[QueueCheck, ...], count: int) -> list[int]:
    """Return the positions of the checks with most tasks."""
    tasks = [check.active_count + check.reserved + check.scheduled for check in checks]
    return sorted(range(len(checks)), key=lambda at: -tasks[at])[: max(count, 0)]
