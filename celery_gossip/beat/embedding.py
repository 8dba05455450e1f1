"""The worker in which a beat is embedded (`worker -B`). Set by the worker's step, before it starts its beat.

An embedded beat is a thread of the worker, or a child process, which inherits this.
"""

from dataclasses import dataclass

__all__ = ["Worker", "embedding_worker", "note_worker", "switch_off"]


@dataclass(frozen=True)
class Worker:
    """Identity of a worker."""

    hostname: str = ""  #: empty in a process that is no worker
    instance_id: str = ""
    is_gossip_off: bool = False  #: switched off for this worker by its flag


_worker = Worker()


def note_worker(hostname: str, instance_id: str) -> None:
    """Note that this process is a worker."""
    global _worker  # noqa: PLW0603 - a process is one worker; a forked beat inherits it
    _worker = Worker(hostname, instance_id)


def switch_off() -> None:
    """Note that this worker reports nothing, so that its beat does not either."""
    global _worker  # noqa: PLW0603
    _worker = Worker(is_gossip_off=True)


def embedding_worker() -> Worker:
    """Return the worker that this process is, or is a part of."""
    return _worker
