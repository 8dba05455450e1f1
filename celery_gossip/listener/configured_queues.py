"""Names of the queues that the settings of an app send its tasks to, even if no worker consumes them.

Read once by the QueueLengthThread. Opens no connection, declares nothing and adds nothing to `app.amqp.queues`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from celery_gossip.log import LimitedLogger, describe_error

__all__ = ["configured_queue_names"]

_MAX_NAMES = 2000


def configured_queue_names(app: Any, log: LimitedLogger) -> tuple[str, ...]:
    """Return the queues of `task_queues`, the default queue, and those that routes, tasks and the schedule contain.

    The queues of a router that is a function or a class are unknown, because it can only be called with a task. A
    setting that cannot be read is left out with one log line. Never raises.
    """
    declared = _Declared()
    with _logged("task_queues", log):
        declared.read(app)
    found = dict.fromkeys(declared.names)
    for setting, names_in in _SOURCES.items():
        with _logged(setting, log):
            for name in names_in(app):
                if declared.may_hold_tasks(name):
                    found[name] = None
    return tuple(found)[:_MAX_NAMES]


@contextmanager
def _logged(setting: str, log: LimitedLogger) -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        log.warning(setting, "celery-gossip: the queues in %s cannot be read: %s", setting, describe_error(exc)[:200])


class _Declared:
    """Queues of `task_queues`, or the default queue where that is empty."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._known: set[Any] = set()  #: names that are not read, and aliases, included
        self._creates_missing = True

    def read(self, app: Any) -> None:
        self._creates_missing = bool(app.conf.task_create_missing_queues)
        queues = app.amqp.queues
        for name, queue in list(queues.items()):  # a lookup by name would create missing queues
            alias = getattr(queue, "alias", None)
            self._known |= {name, alias}
            if not _is_broadcast(name, queue):
                self.names.append(name)

    def may_hold_tasks(self, name: str) -> bool:
        """Return True if tasks may be sent to a queue of this name that is not declared."""
        return bool(name) and name not in self._known and self._creates_missing


def _is_broadcast(name: str, queue: Any) -> bool:
    """Return True if this is a kombu.common.Broadcast, whose name is different in each process."""
    if any(parent.__name__ == "Broadcast" for parent in type(queue).__mro__):
        return True
    alias = getattr(queue, "alias", None)
    return getattr(getattr(queue, "exchange", None), "type", None) == "fanout" and alias not in (None, name)


def _default(app: Any) -> Iterator[str]:
    yield from _names_of(app.conf.task_default_queue)


def _routed(app: Any) -> Iterator[str]:
    yield from _names_in_routes(app.conf.task_routes)


def _annotated(app: Any) -> Iterator[str]:
    annotations = app.conf.task_annotations
    for one in annotations if isinstance(annotations, (list, tuple)) else (annotations,):
        if isinstance(one, Mapping):
            yield from _names_in_values(one.values())


def _scheduled(app: Any) -> Iterator[str]:
    for entry in (app.conf.beat_schedule or {}).values():
        options = entry.get("options") if isinstance(entry, Mapping) else getattr(entry, "options", None)
        yield from _names_in_values([options])


def _of_tasks(app: Any) -> Iterator[str]:
    """Yield the queues of `@app.task(queue=...)`, if the app is finalized: reading them would finalize it here."""
    if app.finalized:
        for task in list(app.tasks.values()):
            yield from _names_of(getattr(task, "queue", None))


_SOURCES: dict[str, Callable[[Any], Iterable[str]]] = {
    "task_default_queue": _default,
    "task_routes": _routed,
    "task_annotations": _annotated,
    "beat_schedule": _scheduled,
    "the tasks": _of_tasks,
}


def _names_in_routes(routes: Any) -> Iterator[str]:
    """Yield the queues in a mapping, a list of mappings, or lists of pairs; no other router is called."""
    for router in routes if isinstance(routes, (list, tuple)) else (routes,):
        if isinstance(router, Mapping):
            yield from _names_in_values(router.values())
        elif isinstance(router, (list, tuple)):
            pairs = [router] if router and isinstance(router[0], (str, re.Pattern)) else router
            yield from _names_in_values(pair[1] for pair in pairs if len(pair) == 2)


def _names_in_values(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping):
            yield from _names_of(value.get("queue"))
        elif isinstance(value, (list, tuple)):
            with suppress(TypeError, ValueError):  # not pairs: Celery cannot use them as a route either
                yield from _names_of(dict(value).get("queue"))
        else:
            yield from _names_of(value)


def _names_of(queue: Any) -> Iterator[str]:
    """Yield the name in a string or a kombu.Queue; nothing for anything else."""
    name = queue if isinstance(queue, str) else getattr(queue, "name", None)
    if isinstance(name, str) and name and not _is_broadcast(name, queue):
        yield name
