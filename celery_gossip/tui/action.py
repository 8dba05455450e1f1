"""Actions: the commands that the menu offers for a row, and for all rows that the filter selects. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from celery_gossip.control.ability import can_terminate
from celery_gossip.control.base_command import MAX_HOSTNAMES
from celery_gossip.control.command import COMMANDS, MAX_IDS, SIGNALS, Command, Purge
from celery_gossip.tui.schedule import entry_key
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.text import escape_text

__all__ = ["SOURCE", "Action", "Field", "InvalidCommand", "actions_for", "bulk_actions", "for_workers"]

SOURCE = "0"  #: number of the only app that `top` watches
_PERMISSIONS = {str(one.__struct_config__.tag): one.permission for one in COMMANDS}


class InvalidCommand(ValueError):
    """A value that the user has typed is not valid."""


class Field(NamedTuple):
    """A value of a command that the user types."""

    name: str
    label: str
    default: str = ""
    is_number: bool = False


class Action(NamedTuple):
    """A command whose values are known, except for the fields."""

    key: str  #: that selects it in the menu
    act: str
    subject: str  #: what it is for, in words
    effect: str
    values: Mapping[str, Any]
    fields: tuple[Field, ...] = ()

    @property
    def permission(self) -> str:
        """Permission that it needs, by its name in --allow-control."""
        return _PERMISSIONS[self.act]

    def command(self, texts: Mapping[str, str]) -> Command:
        """Return the command with these texts in its fields. Raises InvalidCommand."""
        given = {field.name: _value(field, texts.get(field.name, "").strip()) for field in self.fields}
        values = {name: value for name, value in given.items() if value is not None}
        try:
            command: Command = msgspec.convert({"act": self.act, "source": SOURCE, **self.values, **values}, Command)
        except (msgspec.ValidationError, ValueError) as exc:
            raise InvalidCommand(str(exc).replace("`$.", "`")) from exc
        return command


def for_workers(command: Command, hostnames: Sequence[str]) -> Command:
    """Return the command for exactly these workers: those that the user has seen before the confirmation."""
    if isinstance(command, Purge) or not 0 < len(hostnames) <= MAX_HOSTNAMES:
        return command
    return msgspec.structs.replace(command, hostname=None, hostnames=list(hostnames))


def _value(field: Field, text: str) -> str | float | None:
    if not text:
        if field.is_number:
            return None
        raise InvalidCommand(f"{field.label}: expected a value")
    if not field.is_number:
        return text
    try:
        return float(text)
    except ValueError as exc:
        raise InvalidCommand(f"{field.label}: expected a number, got {text!r}") from exc


def actions_for(pane: str, key: str, snapshot: Snapshot) -> Sequence[Action]:
    """Return the actions for the row with this key in this pane."""
    parts = key.split("\n")
    if pane == "queues":
        return tuple(_queue_actions(key))
    if pane == "workers":
        return tuple(_worker_actions(key, snapshot))
    if pane == "findings":
        return _finding_actions(parts[1], snapshot)
    if pane == "schedule":
        tasks = [one.entry.entry.task for one in snapshot.schedule if entry_key(one) == key]
        return tuple(_task_name_actions(tasks[0] if tasks else ""))
    if pane == "failures":
        return tuple(_task_name_actions(parts[0]))
    return tuple(_task_actions(parts, snapshot))


def bulk_actions(pane: str, rows: Sequence[Any]) -> Sequence[Action]:
    """Return the actions for all these rows together; none if there are too many, or fewer than two."""
    if pane == "tasks" and 1 < len(rows) <= MAX_IDS:
        ids = list(dict.fromkeys(task.id for task in rows))
        return tuple(_revocations(ids, f"all {len(ids)} tasks that the filter selects", "RT"))
    if pane == "workers" and 1 < len(rows) <= MAX_HOSTNAMES:
        hostnames = [worker.gossip.hostname for worker in rows if not worker.is_gone]
        subject = f"all {len(hostnames)} workers that the filter selects"
        return tuple(_pool_actions({"hostnames": hostnames}, subject, "GSADO")) if hostnames else ()
    return ()


def _finding_actions(subject: str, snapshot: Snapshot) -> Sequence[Action]:
    """Return the actions for the queue or the worker that a finding is about."""
    if snapshot.view.worker(subject) is not None:
        return tuple(_worker_actions(subject, snapshot))
    return tuple(_queue_actions(subject)) if snapshot.view.queue(subject) is not None else ()


def _queue_actions(queue: str) -> Iterator[Action]:
    subject = f"queue {escape_text(queue)}"
    values = {"queue": queue}
    workers = (Field("hostname", "worker"),)
    yield Action("p", "pause", subject, "all workers that serve it stop to consume it", values)
    yield Action("r", "resume", subject, "they consume it again", values)
    yield Action("a", "add_consumer", subject, "another worker consumes it, too", values, workers)
    confirm = (Field("confirm", "type the name of the queue"),)
    yield Action("x", "purge", subject, "delete the messages that wait in it on the broker", values, confirm)


def _worker_actions(hostname: str, snapshot: Snapshot) -> Iterator[Action]:
    subject, values = f"worker {escape_text(hostname)}", {"hostname": hostname}
    worker = snapshot.view.worker(hostname)
    queues = worker.queues if worker is not None else ()
    queue = (Field("queue", "queue", queues[0] if queues else ""),)
    yield Action("p", "pause", subject, "it stops to consume a queue", values, queue)
    yield Action("r", "resume", subject, "it consumes a queue again", values, queue)
    yield Action("c", "add_consumer", subject, "it consumes another queue", values, (Field("queue", "queue"),))
    yield from _pool_actions(values, subject, "gsado")


def _pool_actions(values: Mapping[str, Any], subject: str, keys: str) -> Iterator[Action]:
    grow, shrink, autoscale, shutdown, restart = tuple(keys)
    slots = (Field("n", "slots", "1", is_number=True),)
    limits = (Field("max", "most slots", is_number=True), Field("min", "least slots", is_number=True))
    yield Action(grow, "grow", subject, "add slots to its pool", values, slots)
    yield Action(shrink, "shrink", subject, "remove slots from its pool", values, slots)
    yield Action(autoscale, "autoscale", subject, "change the limits of --autoscale", values, limits)
    yield Action(shutdown, "shutdown", subject, "finish the tasks that run, then end", values)
    yield Action(
        restart, "pool_restart", subject, "replace the processes of its pool, each after its next task", values
    )


def _task_actions(parts: Sequence[str], snapshot: Snapshot) -> Iterator[Action]:
    """Yield the actions for a task; `parts` are its worker and its id, or the id alone."""
    task_id, hostname = parts[-1], parts[0] if len(parts) > 1 else ""
    worker = snapshot.view.worker(hostname)
    only = {"hostname": hostname} if worker is not None and not can_terminate(worker) else {}
    yield from _revocations([task_id], f"task {escape_text(task_id)}", "rt", only)
    names = (task.name for task in snapshot.tasks if task.id == task_id)
    yield from _task_name_actions(next(names, ""))


def _revocations(
    ids: Sequence[str], subject: str, keys: str, only: Mapping[str, str] | None = None
) -> Iterator[Action]:
    """Yield the actions that revoke and end tasks. `only`: the worker that runs it, if that cannot end a task."""
    signal = (Field("signal", f"signal ({', '.join(SIGNALS)})", SIGNALS[0]),)
    revoke, terminate = tuple(keys)
    yield Action(revoke, "revoke", subject, "do not start it; if it runs, it continues", {"ids": ids})
    yield Action(terminate, "terminate", subject, "end it with a signal", {"ids": ids, **(only or {})}, signal)


def _task_name_actions(name: str) -> Iterable[Action]:
    if not name:
        return
    subject = f"tasks {escape_text(name)}"
    rate = (Field("rate_limit", "rate per s, m or h, like 10/m; 0: no limit"),)
    limits = (
        Field("soft", "soft limit in seconds, or empty", is_number=True),
        Field("hard", "hard limit in seconds, or empty", is_number=True),
    )
    yield Action("l", "rate_limit", subject, "limit how many each worker starts", {"task": name}, rate)
    yield Action("m", "time_limit", subject, "set their time limits", {"task": name}, limits)
