"""What a listener must count of a recorded workload, as intervals with their reasons. Pure.

A count is exact where the record determines it. Where it does not, the interval says why: the only causes are a
worker process that ended without a further report, and ends that Celery itself decides by chance.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from tests.workload.history import Boot, History, Run

__all__ = ["Bounds", "Counted", "Difference", "Expected", "compare", "expect", "outcomes_of"]

_LAST_SECONDS = 0.5  #: before the last report of a process that was killed: what is younger may be missing from it
_TOLERANCE = 0.06  #: seconds for each run: the task measures itself a little later than the pool
_RELATIVE = 0.02

_LEFT = ("left", "SystemExit")  #: what the main process is handed of a task that raised SystemExit
#: The same of a task that was killed, and neither revoked nor, outside of a cold shutdown, at its limit: cancelled.
_STOPPED = ("nothing", "Terminated", "TimeLimitExceeded")

Key = tuple[str, str, str]  #: queue, task, and what is counted


@dataclass
class Bounds:
    """The least and the most that may be counted."""

    low: float = 0
    high: float = 0


@dataclass(frozen=True)
class Counted:
    """What was counted of one task of one queue: numbers by name, e.g. `received` or `failed:ValueError`."""

    counts: Mapping[str, int]
    runtime: float = 0.0  #: seconds in sum
    wait: float = 0.0


@dataclass(frozen=True)
class Difference:
    """A number outside of its bounds."""

    queue: str
    task: str
    what: str
    low: float
    high: float
    counted: float

    @property
    def key(self) -> Key:
        return self.queue, self.task, self.what

    @property
    def excess(self) -> float:
        """What was counted too much, or too little if negative."""
        return self.counted - (self.high if self.counted > self.high else self.low)


class Expected:
    """Bounds by queue, task and what is counted."""

    def __init__(self) -> None:
        self.bounds: defaultdict[Key, Bounds] = defaultdict(Bounds)
        self.reasons: Counter[str] = Counter()  #: how often something may or may not be counted, and why
        self.events = 0  #: everything that is counted

    def add(self, key: Key, least: float = 1, most: float = 1, reason: str = "") -> None:
        bounds = self.bounds[key]
        bounds.low += least
        bounds.high += most
        if key[-1] not in ("wait", "runtime"):
            self.events += 1
            if least != most:
                self.reasons[reason] += 1


def expect(history: History) -> Expected:
    """Return the bounds of everything that a listener counts."""
    expected = Expected()
    for run in history.runs.values():
        _expect_run(expected, run, history.boots[run.boot])
    for name, at, queue, task in history.unknown:
        least, reason = _least(history.boots[name], at)
        for what in ("received", "failed:NotRegistered"):
            expected.add((queue, task, what), least, 1, reason)
    for name, at in history.dropped:
        least, reason = _least(history.boots[name], at)
        expected.add(("", "", "undecodable"), least, 1, reason)
    return expected


def outcomes_of(run: Run, boot: Boot) -> set[str]:
    """Return the outcomes that are right for a run; empty text is none of them. Several: Celery decides by chance."""
    at = run.at
    by_itself = {"ignored": "", "left": "failed:WorkerLostError"}.get(run.ended, run.ended)
    if run.returned == "Reject":  # a retry that cannot be sent, whatever the task recorded
        by_itself = "rejected"
    elif not run.ended and run.returned.startswith("raised:"):  # Celery itself failed before it called the task
        by_itself = run.returned.replace("raised", "failed")
    if "revoked" in at:
        has_ended = run.ended and run.returned != "nothing" and at.get("returned", at["revoked"]) < at["revoked"]
        return {by_itself} if has_ended else {"revoked"}
    if "requeued" in at and run.returned in ("WorkerLostError", "TimeLimitExceeded"):
        return {"rejected"}
    if "limit" in at:
        return _outcomes_of_limit(run)
    if run.returned in ("WorkerLostError", *_LEFT):
        return _outcomes_of_lost(run, boot)
    was_stopped = run.returned in _STOPPED or (not run.returned and boot.is_disturbed_after(at["received"]))
    return {""} if was_stopped else {by_itself}


def _outcomes_of_limit(run: Run) -> set[str]:
    if run.at.get("ended", run.at["limit"]) < run.at["limit"]:
        return {run.ended, "failed:TimeLimitExceeded"}
    return {"failed:TimeLimitExceeded"}


def _outcomes_of_lost(run: Run, boot: Boot) -> set[str]:
    was_cancelled = run.at.get("cancelled", run.at["returned"]) < run.at["returned"]
    is_ending = boot.gone_at is not None and run.at["returned"] >= boot.gone_at
    return {"failed:WorkerLostError", ""} if was_cancelled or is_ending else {"failed:WorkerLostError"}


def _expect_run(expected: Expected, run: Run, boot: Boot) -> None:
    key = run.queue, run.task
    at = run.at
    least, reason = _least(boot, at["received"])
    expected.add((*key, "received"), least, 1, reason)
    started_at = at.get("accepted")
    if started_at is None and "began" in at and not boot.is_disturbed_after(at["received"]):
        started_at = at["began"]
    if started_at is not None:
        least, reason = _least(boot, started_at)
        expected.add((*key, "started"), least, 1, reason)
        _expect_wait(expected, run, least, reason)
    outcomes = outcomes_of(run, boot)
    least, reason = _least(boot, max(at.get(what, 0.0) for what in ("returned", "limit", "revoked")))
    if len(outcomes) > 1:
        least, reason = 0, "an outcome that depends on a race in Celery"
    for outcome in outcomes - {""}:
        expected.add((*key, outcome), least, 1, reason)
    if started_at is not None and outcomes != {""}:
        _expect_runtime(expected, run, least if "" not in outcomes else 0, reason)


def _expect_wait(expected: Expected, run: Run, least: int, reason: str) -> None:
    if run.due_at is None:
        return
    key = run.queue, run.task
    accepted, began = _starts_of(run)
    low = max(0.0, accepted - run.due_at) * (1 - _RELATIVE) - _TOLERANCE
    expected.add((*key, "waits"), least, 1, reason)
    expected.add((*key, "wait"), least * max(0.0, low), max(0.0, began - run.due_at) + _TOLERANCE, reason)


def _expect_runtime(expected: Expected, run: Run, least: int, reason: str) -> None:
    """Expect the seconds that it ran; until its worker killed it; none where its process was lost."""
    key = run.queue, run.task
    if run.returned in ("WorkerLostError", "left"):
        return
    at = run.at
    accepted, began = _starts_of(run)
    killed = min((at[what] for what in ("limit", "revoked") if what in at), default=None)
    ended = killed or at.get("ended", at.get("returned", began))
    latest = killed or max(ended, at.get("returned", ended))
    expected.add((*key, "runtimes"), least, 1, reason)
    low = least * max(0.0, (ended - began) * (1 - _RELATIVE) - _TOLERANCE)
    expected.add((*key, "runtime"), low, latest - accepted + _TOLERANCE, reason)


def _starts_of(run: Run) -> tuple[float, float]:
    """When the pool accepted it, at the latest, and when it began by itself; an acknowledgement may come between."""
    at = run.at
    began = at.get("began", at.get("accepted", 0.0))
    return min(began, at.get("accepted", began)), began


def _least(boot: Boot, at: float) -> tuple[int, str]:
    """Whether what a process counted at this moment must have been reported, and why not."""
    if boot.gone_at is None or boot.how == "warm":
        return 1, ""
    if boot.reported_at is not None and at <= boot.reported_at - _LAST_SECONDS:
        return 1, ""
    return 0, f"after the last report of a worker that ended ({boot.how})"


def compare(expected: Expected, counted: Mapping[tuple[str, str], Counted], undecodable: int) -> list[Difference]:
    """Return every number that is not within its bounds."""
    numbers: dict[Key, float] = {("", "", "undecodable"): undecodable}
    for (queue, task), each in counted.items():
        numbers |= {(queue, task, what): number for what, number in each.counts.items()}
        numbers |= {(queue, task, "runtime"): each.runtime, (queue, task, "wait"): each.wait}
    found = []
    for key in sorted({*numbers, *expected.bounds}):
        bounds = expected.bounds.get(key, Bounds())
        number = numbers.get(key, 0)
        if not bounds.low - 1e-6 <= number <= bounds.high + 1e-6:
            found.append(Difference(*key, bounds.low, bounds.high, number))
    return found
