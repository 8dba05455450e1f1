"""Commands to workers, as JSON describes them: an object whose `act` names the command. Validated when created. Pure.

The names are those of Celery's remote control, except for `pause` (cancel_consumer), `resume` (add_consumer of a queue
that was paused), `grow` and `shrink` (pool_grow, pool_shrink), and `purge`, which the broker does.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec

from celery_gossip.control.base_command import BaseCommand, Name, NamedCommand, WorkerCommand

__all__ = [
    "COMMANDS",
    "MAX_IDS",
    "MAX_SLOTS",
    "PERMISSIONS",
    "SIGNALS",
    "AddConsumer",
    "Autoscale",
    "Command",
    "Grow",
    "Pause",
    "PoolRestart",
    "Purge",
    "RateLimit",
    "Resume",
    "Revoke",
    "Shrink",
    "Shutdown",
    "Signal",
    "Terminate",
    "TimeLimit",
]

MAX_SLOTS = 100  #: added or removed by one command
MAX_POOL = 10_000  #: slots of one worker
MAX_IDS = 100  #: tasks that one command revokes
MAX_LIMIT = 31_536_000.0  #: seconds of a time limit: a year

#: Signals that the processes of a pool do not ignore. Celery lists a task as ended whatever the signal did: INT, which
#: they ignore, would hide a task that runs on.
Signal = Literal["TERM", "KILL", "QUIT", "ABRT"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)

_Rate = Annotated[str, msgspec.Meta(max_length=20, pattern=r"^([0-9]{1,9}(\.[0-9]{1,3})?(/[smh])?)?$")]
_Ids = Annotated[list[Name], msgspec.Meta(min_length=1)]  #: at most MAX_IDS, which _require_few() checks
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=MAX_LIMIT)]
#: A number, because JSON does not distinguish 1.0 from 1.
_Slots = Annotated[float, msgspec.Meta(ge=1, le=MAX_SLOTS, multiple_of=1)]
_PoolSize = Annotated[float, msgspec.Meta(ge=0, le=MAX_POOL, multiple_of=1)]


class _PoolCommand(NamedCommand, frozen=True, kw_only=True):
    permission = "scale"

    n: _Slots = 1

    @property
    def slots(self) -> int:
        """Return the number of slots to add or to remove."""
        return int(self.n)

    @property
    def words(self) -> str:
        return f"{self.act} by {self.slots}"

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        return f"pool_{self.act}", {"n": self.slots}


class _QueueCommand(WorkerCommand, frozen=True, kw_only=True):
    permission = "pause"

    queue: Name

    @property
    def words(self) -> str:
        return f"{self.act} {self.queue!r}"


class Pause(_QueueCommand, frozen=True, kw_only=True, tag="pause"):
    """Stop consuming a queue."""

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        return "cancel_consumer", {"queue": self.queue}


class Resume(_QueueCommand, frozen=True, kw_only=True, tag="resume"):
    """Consume a paused queue again."""

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        return "add_consumer", {"queue": self.queue}


class AddConsumer(NamedCommand, frozen=True, kw_only=True, tag="add_consumer"):
    """Consume a queue that the workers do not serve yet."""

    permission = "add_consumer"

    queue: Name

    @property
    def words(self) -> str:
        return f"{self.act} {self.queue!r}"

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        return "add_consumer", {"queue": self.queue}


class Grow(_PoolCommand, frozen=True, kw_only=True, tag="grow"):
    """Add slots to pools."""


class Shrink(_PoolCommand, frozen=True, kw_only=True, tag="shrink"):
    """Remove slots from pools."""


class Autoscale(NamedCommand, frozen=True, kw_only=True, tag="autoscale"):
    """Change the limits of workers that run with --autoscale."""

    permission = "scale"

    max: _PoolSize
    min: _PoolSize

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max < max(1, self.min):
            raise ValueError("max: expected 1 or more, and not less than min")

    @property
    def words(self) -> str:
        return f"autoscale max={self.max:.0f} min={self.min:.0f}"

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        return "autoscale", {"max": int(self.max), "min": int(self.min)}


class _TaskCommand(WorkerCommand, frozen=True, kw_only=True):
    ids: _Ids

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_few(self.ids)

    @property
    def task_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.ids))


class Revoke(_TaskCommand, frozen=True, kw_only=True, tag="revoke"):
    """Do not start these tasks. Those that run continue."""

    permission = "revoke"

    @property
    def words(self) -> str:
        return f"revoke {_list(self.task_ids)}"

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        return "revoke", {"task_id": list(self.task_ids)}


class Terminate(_TaskCommand, frozen=True, kw_only=True, tag="terminate"):
    """Do not start these tasks, and end those that run."""

    permission = "terminate"

    signal: Signal = "TERM"  #: for processes; greenlets are killed whatever it is

    @property
    def words(self) -> str:
        return f"terminate {_list(self.task_ids)} with {self.signal}"

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        return "revoke", {"task_id": list(self.task_ids), "terminate": True, "signal": f"SIG{self.signal}"}


class Shutdown(NamedCommand, frozen=True, kw_only=True, tag="shutdown"):
    """Shut workers down warm: they finish the tasks that run."""

    permission = "shutdown"


class PoolRestart(NamedCommand, frozen=True, kw_only=True, tag="pool_restart"):
    """Replace the processes of pools, each after its next task. Needs Celery's `worker_pool_restarts`."""

    permission = "pool_restart"

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        return "pool_restart", {"modules": []}  # without importing any


class RateLimit(WorkerCommand, frozen=True, kw_only=True, tag="rate_limit"):
    """Limit how many tasks of a name each worker starts."""

    permission = "rate_limit"

    task: Name
    rate_limit: _Rate  #: as in "10/m": per s, m or h; "0" or empty: no limit

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rate_limit.isprintable():  # a line break at the end matches the pattern, too
            raise ValueError('rate_limit: expected a number per s, m or h like "10/m"')

    @property
    def words(self) -> str:
        return f"rate_limit {self.task!r} {self.rate_limit or '0'}"

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        return "rate_limit", {"task_name": self.task, "rate_limit": self.rate_limit or "0"}


class TimeLimit(WorkerCommand, frozen=True, kw_only=True, tag="time_limit"):
    """Set the time limits of the tasks of a name, in seconds. Null: that of the worker's pool, if it has one."""

    permission = "time_limit"

    task: Name
    soft: _Seconds | None = None
    hard: _Seconds | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.soft is not None and self.hard is not None and self.soft > self.hard:
            raise ValueError("soft: expected at most the hard limit")

    @property
    def words(self) -> str:
        soft, hard = ("none" if one is None else f"{one:g}s" for one in (self.soft, self.hard))
        return f"time_limit {self.task!r} soft={soft} hard={hard}"

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        return "time_limit", {"task_name": self.task, "soft": self.soft, "hard": self.hard}


class Purge(BaseCommand, frozen=True, kw_only=True, tag="purge"):
    """Delete the messages that wait in a queue on the broker. Those that workers have reserved remain."""

    permission = "purge"

    queue: Name
    confirm: Name  #: the same name, as the user has typed it

    def __post_init__(self) -> None:
        if self.confirm != self.queue:
            raise ValueError("confirm: expected the name of the queue again")

    @property
    def words(self) -> str:
        return f"purge {self.queue!r}"

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        raise TypeError("purge: the broker does it, and no worker")


Command = (
    Pause
    | Resume
    | AddConsumer
    | Grow
    | Shrink
    | Autoscale
    | Revoke
    | Terminate
    | Shutdown
    | PoolRestart
    | RateLimit
    | TimeLimit
    | Purge
)

COMMANDS: tuple[type[Command], ...] = get_args(Command)
PERMISSIONS = tuple(dict.fromkeys(one.permission for one in COMMANDS))  #: names of all permissions


def _require_few(ids: Sequence[str]) -> None:
    if len(ids) > MAX_IDS:
        raise ValueError(f"ids: expected at most {MAX_IDS}")


def _list(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
