"""Hook: begins to report when a beat starts, in apps that ask for it, and ends with it.

connect() is called by install() and by the entry point of the `celery` program, so that the setting `worker_bootsteps`
is enough. Everything else runs on beat's main thread. No exception leaves a function here: beat runs without us then.
"""

import atexit
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from celery.signals import beat_init

from celery_gossip.beat import _compat as compat
from celery_gossip.beat.embedding import embedding_worker
from celery_gossip.errors import GossipError
from celery_gossip.log import describe_error, logger

if TYPE_CHECKING:
    from celery_gossip.beat.process import BeatProcess

__all__ = ["connect", "report_beat"]

_UID = "celery_gossip.beat"
_SETTING = "worker_bootsteps"
_STEPS = frozenset({"celery_gossip:GossipStep", "celery_gossip.worker.bootstep:GossipStep"})
_STEP = "celery_gossip.worker.bootstep.GossipStep"
_apps: WeakSet[Any] = WeakSet()  #: apps with install()


def connect() -> None:
    """Call on_beat_init() when a beat starts, before other receivers: redbeat's waits for its lock. Never raises."""
    with suppress(Exception):
        beat_init.connect(on_beat_init, dispatch_uid=_UID, weak=False)
        compat.put_first(beat_init, on_beat_init)


def report_beat(app: Any) -> None:
    """Report the beats of this app, as far as its settings allow it. Never raises."""
    with suppress(Exception):
        _apps.add(app)
        connect()


def on_beat_init(sender: Any = None, **_: Any) -> None:
    """Begin to report this beat; a receiver, whose sender is the celery.beat.Service."""
    try:
        process = start_reporting(sender)
        if process is not None:
            atexit.register(process.stop)
    except GossipError as exc:
        logger.warning("celery-gossip: beat is not reported: %s", exc)
    except Exception as exc:
        with suppress(Exception):  # a handler of the user may raise
            logger.warning("celery-gossip: beat is not reported: %s", describe_error(exc), exc_info=exc)


def start_reporting(service: Any) -> "BeatProcess | None":
    """Return the started BeatProcess; None if the app does not ask for it."""
    app, scheduler = service.app, compat.scheduler_of(service)
    worker = embedding_worker()
    if scheduler is None or worker.is_gossip_off or not _is_wanted(app):
        return None
    from celery_gossip.beat.process import BeatProcess  # not at every start of the `celery` program

    configured = [
        (str(name), SimpleNamespace(task=task, schedule=schedule, options=options))
        for name, task, schedule, options in compat.configured_entries(app)
    ]
    process = BeatProcess.create(app, scheduler, compat.beat_hostname(service), worker, configured)
    if process is not None:
        process.start()
    return process


def _is_wanted(app: Any) -> bool:
    """Return True if install() was called for this app, or the step is one of its bootsteps."""
    if app in _apps:
        return True
    paths = app.conf.get(_SETTING) or ()
    if not isinstance(paths, str) and any(isinstance(path, str) and path in _STEPS for path in paths):
        return True
    bases = (base for step in app.steps["consumer"] for base in getattr(step, "__mro__", ()))
    return any(f"{base.__module__}.{base.__name__}" == _STEP for base in bases)
