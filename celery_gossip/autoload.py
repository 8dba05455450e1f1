"""The setting `worker_bootsteps`, which Celery lacks: bootsteps of the consumer, named in configuration alone.

Works in an app that never imports this package: the `celery` program loads our commands, and they this module, before
it builds the worker.
"""

from typing import Any

from celery.bootsteps import Step
from celery.signals import celeryd_init
from celery.utils.imports import symbol_by_name

__all__ = ["add_worker_bootsteps"]


@celeryd_init.connect  # type: ignore[untyped-decorator]
def add_worker_bootsteps(instance: Any = None, conf: Any = None, **_: Any) -> None:
    """Add the steps named in `worker_bootsteps` to the worker that is starting.

    Exits with one line, as the worker's other start-up errors do, where a path leads to no bootstep: Celery would
    swallow any other exception of a signal's receiver and start without it.
    """
    paths = conf.get("worker_bootsteps") or ()
    if isinstance(paths, str):
        raise _refuse("a list of 'module:Class' paths", paths)
    for path in paths:
        instance.app.steps["consumer"].add(_load(path))


def _load(path: Any) -> Any:
    try:
        step = symbol_by_name(path)
    except Exception as exc:
        raise _refuse("'module:Class' of a bootstep", path, f" ({exc})") from exc
    if not (isinstance(step, type) and issubclass(step, Step)):
        raise _refuse("'module:Class' of a bootstep", path)
    return step


def _refuse(expected: str, got: Any, why: str = "") -> SystemExit:
    return SystemExit(f"Error: worker_bootsteps: expected {expected}, got {got!r}{why}")
