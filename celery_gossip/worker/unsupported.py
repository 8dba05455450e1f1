"""Stand-ins for `install` and `GossipStep` on a Celery that lacks a name without which they cannot be imported.

A worker with them runs without gossip and logs one line. An ImportError in the user's `celery.py` would prevent it from
starting.
"""

from typing import Any

from celery_gossip.log import logger

__all__ = ["stand_in"]

_CELERY_PACKAGES = {"billiard", "celery", "kombu", "vine"}
_warned: list[str] = []  #: the one reason that was logged


def stand_in(name: str, exc: ImportError | AttributeError) -> Any:
    """Return a replacement of `install` or `GossipStep` that does nothing; raise `exc` if Celery is not the cause."""
    if not _is_caused_by_celery(exc):
        raise exc
    _warn(exc)
    return _install if name == "install" else _step()


def _install(app: Any, **options: Any) -> None:
    """Do nothing: gossip is off."""


def _step() -> Any:
    from celery.bootsteps import StartStopStep

    class GossipStep(StartStopStep):  # type: ignore[misc]
        """Bootstep that does nothing: gossip is off."""

        label = "QueueGossip"
        requires = ("celery.worker.consumer.tasks:Tasks",)
        enabled = False

        def __init__(self, c: Any, **kwargs: Any) -> None:
            super().__init__(c, **kwargs)
            c.queue_gossip = None
            self.enabled = False

    return GossipStep


def _warn(exc: Exception) -> None:
    if not _warned:
        _warned.append(str(exc))
        logger.warning("celery-gossip: off, the worker runs without it: it does not support this Celery: %s", exc)


def _is_caused_by_celery(exc: ImportError | AttributeError) -> bool:
    module = exc.name if isinstance(exc, ImportError) else getattr(exc.obj, "__name__", "")
    return (module or "").partition(".")[0] in _CELERY_PACKAGES
