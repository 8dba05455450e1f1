"""Selection: which of the tasks that run or wait a list shows, as text in the topic of the event stream. Pure."""

from dataclasses import dataclass, field
from math import isfinite
from typing import get_args
from urllib.parse import parse_qsl

from celery_gossip.cluster.task_search import MIN_PREFIX
from celery_gossip.wire.messages import WaitingState

__all__ = ["PATTERN", "STATES", "Selection", "parse_selection"]

STATES = ("running", *get_args(WaitingState))  #: of the tasks in a list

_FIELD = (
    r"((source|task|queue|worker)=[A-Za-z0-9_.~%+@*-]*|state=(running|reserved|scheduled|limited)?"
    r"|min_age=([0-9]{1,10}(\.[0-9]{1,3})?)?)"
)
PATTERN = f"({_FIELD}(&{_FIELD}){{0,11}})?"  #: of the text of a selection; also a regular expression of JavaScript
_FIELDS = ("source", "state", "task", "queue", "worker", "min_age")


@dataclass(frozen=True)
class Selection:
    """Conditions that a task has to meet; an empty one is met by all tasks. Case does not matter in names."""

    source: str = ""
    state: str = ""  #: one of STATES
    task: str = ""  #: part of the task's name, or its id, or the beginning of that
    queue: str = ""  #: part of the queue's name
    worker: str = ""  #: part of the hostname
    min_age: float = 0.0  #: seconds for which it has run or waited at least
    _folded: tuple[str, str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        folded = (self.task.casefold(), self.queue.casefold(), self.worker.casefold())
        object.__setattr__(self, "_folded", folded)

    def matches_task(self, task_id: str, name: str) -> bool:
        """Return True for the task with this id and name."""
        wanted = self._folded[0]
        if not wanted or wanted in name.casefold() or task_id == self.task:
            return True
        return len(self.task) >= MIN_PREFIX and task_id.startswith(self.task)

    def matches_queue(self, queue: str) -> bool:
        """Return True for tasks of this queue."""
        return not self._folded[1] or self._folded[1] in queue.casefold()

    def matches_worker(self, hostname: str) -> bool:
        """Return True for tasks on this worker."""
        return not self._folded[2] or self._folded[2] in hostname.casefold()


def parse_selection(text: str) -> Selection:
    """Return the selection of a query such as `state=reserved&queue=mail&min_age=60`.

    Raises ValueError with what was expected.
    """
    given = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=2 * len(_FIELDS)))
    unknown = [name for name in given if name not in _FIELDS]
    if unknown:
        raise ValueError(f"topic: expected some of {', '.join(_FIELDS)}, got {unknown[0][:80]!r}")
    if given.get("state", "") not in ("", *STATES):
        raise ValueError(f"topic: state: expected one of {', '.join(STATES)}, got {given['state'][:80]!r}")
    names = {name: value for name, value in given.items() if name != "min_age"}
    return Selection(**names, min_age=_seconds(given.get("min_age", "")))


def _seconds(text: str) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1.0
    if not (isfinite(seconds) and seconds >= 0):
        raise ValueError(f"topic: min_age: expected a number of seconds, got {text[:80]!r}")
    return seconds
