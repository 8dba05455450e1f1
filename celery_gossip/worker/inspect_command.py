"""`celery inspect gossip`: a remote control command that returns the worker's own latest gossip.

Importing this module registers the command: the step imports it in the worker, the commands in the `celery` program.
"""

from typing import Any

from celery.worker.control import inspect_command

from celery_gossip.log import describe_error

__all__ = ["gossip"]


@inspect_command(name="gossip")  # type: ignore[untyped-decorator]
def gossip(state: Any, **_: Any) -> dict[str, Any]:
    """Latest gossip of the worker: the state of its queues."""
    step = getattr(state.consumer, "queue_gossip", None)
    if step is None:
        return {"error": "this worker does not gossip: celery-gossip is not installed there, or is switched off"}
    from celery_gossip.wire.messages import as_dict  # not at the top: the celery program imports this at every start

    latest = step.latest
    try:
        return as_dict(latest) if latest else {"error": "this worker has not gossiped yet"}
    except Exception as exc:  # Celery would log a traceback at every call
        return {"error": f"the gossip of this worker cannot be shown: {describe_error(exc)}"}
