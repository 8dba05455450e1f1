"""The setting `worker_bootsteps`, which Celery does not have: bootsteps of the consumer, named in the configuration.

It works in apps that never import this package: the `celery` program imports its commands from this package, and with
them this module, before it builds the worker.
"""

from typing import Any

from celery.bootsteps import Step
from celery.signals import celeryd_init
from celery.utils.imports import symbol_by_name

from celery_gossip.beat.hook import connect

__all__ = ["add_worker_bootsteps"]

connect()  # a beat of an app with this setting reports, too


@celeryd_init.connect  # type: ignore[untyped-decorator]
def add_worker_bootsteps(instance: Any = None, conf: Any = None, **_: Any) -> None:
    """Add the steps named in `worker_bootsteps` to the worker that starts.

    Exits with one line if a path does not name a bootstep, as other start-up errors of the worker do: Celery would
    ignore any other exception of a signal receiver and start without the step.
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
