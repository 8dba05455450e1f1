"""Rules about entries of a schedule: overdue, failing, or sent but not received. Pure. Called through rules.py.

The subject is the name of the entry; if more than three entries of one process are concerned, its hostname.
"""

from collections.abc import Callable, Iterator
from math import inf

from celery_gossip.cluster.beat_view import BeatView, EntryView
from celery_gossip.cluster.schedule_entries import MAX_HISTORY
from celery_gossip.cluster.view import QueueView
from celery_gossip.diagnosis.inputs import WARNING, FindingKind, PendingFinding, RuleInput
from celery_gossip.units import format_duration, join_names

__all__ = ["entry_fails", "entry_overdue", "sent_never_started"]

_MAX_SINGLE = 3  #: entries of one process with a finding each; more share one
_MAX_NAMES = 5  #: entries named in one text
_MAX_TOLERANCE = 300.0  #: seconds by which an entry with any period may be late
_TICKED = 15.0  #: seconds since the latest tick within which the scheduler had the chance to send
_OVERDUE_FOR = 30.0  #: seconds, if it has ticked
_ASLEEP_FOR = 330.0  #: seconds, if it has not: after a clock was set, it may sleep for the usual max_interval of 300
_FAILS_FOR = 10.0
_RECEIPT_DELAY, _DELAY_INTERVALS = 15.0, 3.0  #: seconds, and intervals, until a worker has reported a task
_STARTUP = 30.0  #: seconds of listening in which the first reports of workers may include earlier tasks
_PROVEN_AFTER = 30.0  #: seconds for which that must be over since the last send that counts
_LONGEST_INTERVAL = 30.0  #: seconds; a worker that reports more rarely proves nothing

_Describe = Callable[[BeatView, EntryView], str]


def entry_overdue(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report entries that their beat process should have sent some time ago, or is going to send much too late.

    While it does not tick, it is stalled.
    """
    for beat in inputs.view.beats:
        if beat.state in ("online", "conflict") and not beat.is_standby:
            late = [one for one in beat.entries if _is_overdue(inputs, beat, one)]
            postponed = [one for one in beat.entries if _is_postponed(inputs, beat, one)]
            age = beat.report.tick_age
            is_certain = bool(postponed) or (age is not None and age <= _TICKED)
            for_seconds = _OVERDUE_FOR if is_certain else _ASLEEP_FOR
            yield from _each_or_all("entry_overdue", beat, [*late, *postponed], _overdue_text, for_seconds)


def entry_fails(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report entries whose latest attempt to be sent failed."""
    for beat in inputs.view.beats:
        if not beat.is_gone and not beat.is_standby:
            failing = [entry for entry in beat.entries if entry.is_failing]
            yield from _each_or_all("entry_fails", beat, failing, _fails_text, _FAILS_FOR)


def sent_never_started(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report entries that were sent several times without a worker that received their task.

    Only where the reports of the workers prove that: no such message can wait in a queue, every worker reports and
    counts, and the listener has missed nothing.
    """
    if not inputs.view.beats or _is_uncertain(inputs):
        return
    for beat in inputs.view.beats:
        if beat.state == "online" and not beat.is_standby:
            unreceived = [entry for entry in beat.entries if _is_unreceived(inputs, entry)]

            def describe(beat: BeatView, entry: EntryView) -> str:
                return _unreceived_text(inputs, beat, entry)

            yield from _each_or_all("sent_never_started", beat, unreceived, describe, 0.0)


def _each_or_all(
    kind: FindingKind, beat: BeatView, entries: list[EntryView], describe: _Describe, for_seconds: float
) -> Iterator[PendingFinding]:
    """Yield a finding for each entry; for many of one process a single one, with the text of the first."""
    if len(entries) <= _MAX_SINGLE:
        for entry in entries:
            yield PendingFinding(kind, WARNING, entry.name, describe(beat, entry), for_seconds)
        return
    names = join_names([repr(entry.name) for entry in entries], _MAX_NAMES)
    text = f"{len(entries)} entries of {beat.hostname}: {names}. For example: {describe(beat, entries[0])}"
    yield PendingFinding(kind, WARNING, beat.hostname, text, for_seconds)


def _is_overdue(inputs: RuleInput, beat: BeatView, one: EntryView) -> bool:
    due = one.entry.due
    # An entry of an earlier report may have been sent since; those that are overdue are in the latest one.
    if due is None or due >= 0 or one.reported_at < beat.heard_at:
        return False
    limits = inputs.settings.of(one.name).thresholds
    period = 0.0 if one.entry.sent_age is None else one.entry.sent_age + due  # from the last send until it was due
    return -due > max(limits.overdue_seconds, min(limits.overdue_share * period, _MAX_TOLERANCE))


def _is_postponed(inputs: RuleInput, beat: BeatView, one: EntryView) -> bool:
    """Return True if it is due later than a whole interval from now, as after its clock was set back."""
    entry = one.entry
    if entry.due is None or entry.period is None or one.reported_at < beat.heard_at:
        return False
    if not entry.sends and not entry.runs:  # its first run may be far away: django-celery-beat has a start time
        return False
    limits = inputs.settings.of(one.name).thresholds
    return entry.due > entry.period + max(limits.overdue_seconds, limits.overdue_share * entry.period)


def _is_uncertain(inputs: RuleInput) -> bool:
    """Return True if a worker may have received tasks without reporting that."""
    workers = [worker for worker in inputs.view.workers if worker.state != "offline"]
    if not workers or inputs.receipts is None or not inputs.receipts.is_complete:
        return True
    for worker in workers:
        for gossip in worker.gossips:
            held = gossip.processed + gossip.active + gossip.reserved + gossip.scheduled + gossip.limited
            if held and gossip.hostname not in inputs.receipts.counted:
                return True
            if gossip.batched or gossip.overflowed or gossip.undecodable or gossip.interval > _LONGEST_INTERVAL:
                return True
    return any(worker.state not in ("online", "draining") or worker.rivals for worker in workers)


def _is_unreceived(inputs: RuleInput, one: EntryView) -> bool:
    """Return True if enough sends were not received, and their receipt would have been reported by now."""
    now, since = inputs.view.taken_at, _unreceived_since(inputs, one)
    sends = [send for send in one.history if send.at > since and send.sends]
    least = inputs.settings.of(one.name).thresholds.unreceived_sends
    if sum(send.sends for send in sends) < least:
        return False
    total, first_at, enough_at = 0, sends[0].at, now
    for send in sends:
        total += send.sends
        if total >= least:
            enough_at = send.at
            break
    proven = now - enough_at
    if len(sends) == MAX_HISTORY and sends[-1].at > first_at:
        # Earlier sends are forgotten. From how often it is sent follows for how long it has been sent.
        pace = (sends[-1].at - first_at) / (sum(send.sends for send in sends) - sends[0].sends)
        proven = max(proven, min(now - since, one.entry.sends * pace))
    return proven >= _receipt_delay(inputs) + _PROVEN_AFTER and _cannot_wait(inputs, one, now - first_at)


def _unreceived_since(inputs: RuleInput, one: EntryView) -> float:
    """Return the time after which a send was not received, as far as the name of its task shows that."""
    received_at = inputs.receipts.received_at.get(one.task, -inf) if inputs.receipts else -inf
    return max(inputs.view.taken_at - inputs.listening_for + _STARTUP, received_at)


def _receipt_delay(inputs: RuleInput) -> float:
    return _RECEIPT_DELAY + _DELAY_INTERVALS * max(worker.gossip.interval for worker in inputs.view.workers)


def _cannot_wait(inputs: RuleInput, one: EntryView, age: float) -> bool:
    """Return True if no message of this age waits in a queue that the entry may be sent to."""
    if one.entry.queue:
        queue = inputs.view.queue(one.entry.queue)
        return queue is not None and _is_served(inputs, queue) and _is_younger(queue, age)
    queues = inputs.view.queues
    return any(_is_served(inputs, queue) for queue in queues) and all(_is_younger(queue, age) for queue in queues)


def _is_served(inputs: RuleInput, queue: QueueView) -> bool:
    consumers = inputs.consumers.get(queue.queue, ())
    return any(one.is_reporting and not one.check.broadcast for one in consumers)


def _is_younger(queue: QueueView, age: float) -> bool:
    """Return True if all messages in this queue were sent later; False if that is unknown."""
    if queue.backlog is None:
        return False
    return not queue.backlog or (queue.oldest_age_max is not None and queue.oldest_age_max < age)


def _overdue_text(beat: BeatView, one: EntryView) -> str:
    due, period = one.entry.due or 0.0, one.entry.period
    if due > 0 and period is not None:
        return (
            f"{_entry(beat, one)} is due only in {format_duration(due)}, although its interval is "
            f"{format_duration(period)}: beat sends it no earlier. The clock of its host was set back, or its last run "
            "is in the future (time zone, start time). Correct the clock or the time of the last run, which the "
            "scheduler stores (its schedule file, or its database), and restart beat."
        )
    return (
        f"{_entry(beat, one)} has been due for {format_duration(-(one.entry.due or 0.0))} and was not sent, although "
        f"the scheduler ticks{_last_sent(beat, one)}. Check the log of beat, whether its scheduler has more to send "
        "than it can, and time zones (a last run in the future). If nothing explains it, restart beat."
    )


def _fails_text(beat: BeatView, one: EntryView) -> str:
    times = "once" if one.entry.errors == 1 else f"{one.entry.errors} times"
    error = f" with {one.entry.error}" if one.entry.error else ""
    return (
        f"{_entry(beat, one)} could not be sent{error}: {times} since beat started, which has sent it "
        f"{one.entry.sends} times{_last_sent(beat, one)}. It is not sent again before it is due next. See the log of "
        "beat for the error: a broker that cannot be reached, or arguments that cannot be serialized."
    )


def _unreceived_text(inputs: RuleInput, beat: BeatView, one: EntryView) -> str:
    since = _unreceived_since(inputs, one)
    sends = [send for send in one.history if send.at > since and send.sends]
    count, age = sum(send.sends for send in sends), inputs.view.taken_at - sends[0].at
    if one.entry.queue:
        where = f" to queue {one.entry.queue!r}"
        fix = "another program or a worker without gossip takes them, or they expire."
    else:
        where = ""
        fix = (
            "its route leads to a queue that no worker consumes, beat uses another broker or virtual host, another "
            "program or a worker without gossip takes them, or they expire."
        )
    return (
        f"{_entry(beat, one)} was sent{where} at least {count} times in the last {format_duration(age)}, and no worker "
        f"that reports has received its task since, nor does it wait in a queue of theirs. Check whether {fix}"
    )


def _entry(beat: BeatView, one: EntryView) -> str:
    schedule = f", {one.entry.schedule}" if one.entry.schedule else ""
    return f"Entry {one.name!r} (task {one.task}{schedule}) of {beat.hostname}"


def _last_sent(beat: BeatView, one: EntryView) -> str:
    sent_at = one.sent_at
    if sent_at is None:
        return ""
    return f"; it was sent last {format_duration(max(0.0, beat.heard_at - sent_at))} ago"
