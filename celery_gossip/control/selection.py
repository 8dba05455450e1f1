"""Selection: the workers that a command is sent to, and those that cannot obey it, with the reason. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.control.ability import find_obstacle
from celery_gossip.control.command import Command, Pause, Purge, Resume
from celery_gossip.errors import GossipError

__all__ = ["CommandRefused", "NoMatchingWorker", "Selection", "select_workers"]


class NoMatchingWorker(GossipError, LookupError):
    """No live worker matches the command."""


class CommandRefused(GossipError, ValueError):
    """No worker that matches can obey the command."""


@dataclass(frozen=True)
class Selection:
    """Workers, in the order of their hostnames."""

    workers: tuple[WorkerView, ...] = ()  #: to send to, as they were when they were selected
    refused: Mapping[str, str] = field(default_factory=dict)  #: `{hostname: why it cannot obey}`

    @property
    def hostnames(self) -> list[str]:
        """Hostnames to send to."""
        return [worker.hostname for worker in self.workers]


def select_workers(command: Command, view: View) -> Selection:
    """Return the live workers that match, only those that the command names, if it names any.

    Raises NoMatchingWorker if there are none, and CommandRefused with a reason if none of them can obey.
    """
    if isinstance(command, Purge):
        return Selection()
    workers, refused = [], {}
    live = {worker.hostname: worker for worker in view.workers if not worker.is_gone}
    for hostname in live if command.named is None else sorted(command.named):
        if hostname not in live:
            refused[hostname] = "it does not report"
        elif obstacle := find_obstacle(command, live[hostname]):
            refused[hostname] = obstacle
        else:
            workers.append(live[hostname])
    if not workers:
        raise _refusal(command, refused, any(hostname in live for hostname in refused))
    if command.named is None and isinstance(command, Pause | Resume):
        refused = {}  # workers of other queues do not match
    return Selection(tuple(workers), refused)


def _refusal(command: Command, refused: Mapping[str, str], is_live: bool) -> GossipError:
    if not is_live:
        return NoMatchingWorker("no live worker matches")
    if isinstance(command, Pause | Resume):
        return NoMatchingWorker("no live worker serves this queue, or none has this hostname")
    hostname, reason = next(iter(refused.items()))
    others = f", and {len(refused) - 1} others cannot obey either" if len(refused) > 1 else ""
    return CommandRefused(f"{hostname}: {reason}{others}")
