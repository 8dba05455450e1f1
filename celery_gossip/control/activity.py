"""Activity log: who sent which command when to which workers, and its outcome. Bounded in memory; thread-safe.

Entries are immutable: one whose outcome becomes known is replaced.
"""

import threading
from collections import Counter, deque
from typing import Literal, get_args

import msgspec

__all__ = ["MAX_ACTIVITIES", "MAX_LISTED", "OUTCOMES", "Activity", "ActivityLog", "Outcome", "combine_outcomes"]

MAX_ACTIVITIES = 500  #: commands in the log; beyond, the oldest are dropped
MAX_LISTED = 50  #: workers of a command that are listed; the others are only counted

Outcome = Literal["confirmed", "answered", "waiting", "unknown", "not_confirmed", "failed"]
#: From the best to the worst; that of a command is the worst of its workers.
#: confirmed: a report shows it, or the broker has done it · answered: the worker has accepted it, and no report can
#: show it · waiting: reports have not shown it yet · unknown: no answer, and no report can show it · not_confirmed: no
#: report has shown it in time · failed: the worker or the broker refused it
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """A command that a user sent."""

    id: int  #: number of the command since the start of the dashboard, from 1
    at: float  #: Unix seconds
    source: str  #: number of the watched app
    user: str
    act: str
    text: str  #: the command in words
    task_ids: list[str]  #: that are revoked or terminated
    queue: str | None
    workers: int  #: to which it was sent
    hostnames: list[str]  #: of the first 50 of them
    answers: dict[str, str]  #: `{hostname: reply}` of these
    outcomes: dict[str, Outcome]  #: `{hostname: outcome}` of these
    counts: dict[str, int]  #: `{outcome: workers}` of all of them
    outcome: Outcome
    detail: str = ""  #: what is known beside the outcome, or why it failed
    seconds: float | None = None  #: from the command to its outcome; null while it is waited for


class ActivityLog:
    """The latest activities."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Activity] = deque(maxlen=MAX_ACTIVITIES)
        self._last_id = 0

    def next_id(self) -> int:
        """Return the number of the next command."""
        with self._lock:
            self._last_id += 1
            return self._last_id

    def put(self, activity: Activity) -> None:
        """Add the activity, or replace the one with its number."""
        with self._lock:
            for index in range(len(self._entries) - 1, -1, -1):
                if self._entries[index].id == activity.id:
                    self._entries[index] = activity
                    return
            if activity.id > self._last_id - MAX_ACTIVITIES:
                self._entries.append(activity)

    def latest(self, source: str = "") -> list[Activity]:
        """Return the activities of one source, or of all, the newest first."""
        with self._lock:
            entries = [activity for activity in self._entries if source in ("", activity.source)]
        return sorted(entries, key=lambda activity: -activity.id)

    def reset_after_fork(self) -> None:
        """Replace the lock, which another thread may have held at the fork."""
        self._lock = threading.Lock()


def combine_outcomes(outcomes: "Counter[Outcome]", default: Outcome) -> Outcome:
    """Return the worst of these outcomes; `default` if there are none."""
    return max((one for one in outcomes if outcomes[one]), key=OUTCOMES.index, default=default)
