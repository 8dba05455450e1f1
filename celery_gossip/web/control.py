"""Control: the commands that a viewer can send to workers, through Celery's remote control.

Called by the API on a thread, because sending waits for replies. The next reports of the workers confirm a command.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from celery_gossip import signals
from celery_gossip.log import logger
from celery_gossip.web.response import ControlReply
from celery_gossip.web.snapshot import Snapshot

__all__ = ["Control", "ControlCommand", "ControlTarget", "Grow", "NoMatchingWorker", "Pause", "Resume", "Shrink"]

MAX_SLOTS = 100  #: added or removed by one command
_TIMEOUT = 2.0  #: seconds for the replies; a busy worker replies later, and its reports show the change anyway

_Name = Annotated[str, msgspec.Meta(min_length=1)]


class _Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="act"):
    source: str

    @property
    def act(self) -> str:
        """Return the command's name in JSON."""
        return str(self.__struct_config__.tag)


class _QueueCommand(_Command, frozen=True):
    queue: _Name
    hostname: str | None = None  #: null: all workers that serve the queue


class _PoolCommand(_Command, frozen=True):
    hostname: _Name
    #: A number, because JSON does not distinguish 1.0 from 1.
    n: Annotated[float, msgspec.Meta(ge=1, le=MAX_SLOTS, multiple_of=1)] = 1

    @property
    def slots(self) -> int:
        """Return the number of slots to add or to remove."""
        return int(self.n)


class Pause(_QueueCommand, frozen=True, tag="pause"):
    """Stop consuming a queue."""


class Resume(_QueueCommand, frozen=True, tag="resume"):
    """Consume a paused queue again."""


class Grow(_PoolCommand, frozen=True, tag="grow"):
    """Add slots to the pool of one worker."""


class Shrink(_PoolCommand, frozen=True, tag="shrink"):
    """Remove slots from the pool of one worker."""


ControlCommand = Pause | Resume | Grow | Shrink


class NoMatchingWorker(ValueError):
    """No live worker matches the command."""


@dataclass(frozen=True)
class ControlTarget:
    """An app and the connection to its workers."""

    app: Any
    connect: Callable[[], AbstractContextManager[Any]]


class Control:
    """Sends commands to the matching workers of each watched app."""

    def __init__(self, targets: Mapping[str, ControlTarget]) -> None:
        self._targets = targets

    def send(self, command: ControlCommand, snapshot: Snapshot, user: str) -> ControlReply:
        """Send the command and return the replies. Blocks for two seconds, or for the broker's timeouts.

        Raises NoMatchingWorker, and any exception of the transport.
        """
        hostnames = _matching_hostnames(command, snapshot)
        target = self._targets[command.source]
        logger.info("celery-gossip: %s requests %s on %s", user, _describe(command), ", ".join(hostnames)[:1000])
        queue = command.queue if isinstance(command, _QueueCommand) else None
        signals.emit(
            signals.control_asked, target.app, act=command.act, user=user, hostnames=tuple(hostnames), queue=queue
        )
        with target.connect() as connection:
            replies = _send(target.app.control, command, hostnames, connection)
        answers = {
            host: _reply_text(text) for reply in replies or () for host, text in reply.items() if host in hostnames
        }
        return ControlReply(asked=hostnames, answers=answers)


def _matching_hostnames(command: ControlCommand, snapshot: Snapshot) -> list[str]:
    """Return the live workers to send to; only those that serve the queue, because others would start to consume it."""
    live = [worker.gossip for worker in snapshot.view.workers if not worker.is_gone]
    if isinstance(command, _QueueCommand):
        live = [gossip for gossip in live if any(check.queue == command.queue for check in gossip.checks)]
    hostnames = [gossip.hostname for gossip in live if command.hostname in (None, gossip.hostname)]
    if not hostnames:
        raise NoMatchingWorker("no live worker serves this queue, or none has this hostname")
    return hostnames


def _send(
    control: Any, command: ControlCommand, hostnames: Sequence[str], connection: Any
) -> list[dict[str, Any]] | None:
    options = {"destination": list(hostnames), "reply": True, "timeout": _TIMEOUT, "connection": connection}
    replies: list[dict[str, Any]] | None
    if isinstance(command, Pause):
        replies = control.cancel_consumer(command.queue, **options)
    elif isinstance(command, Resume):
        replies = control.add_consumer(command.queue, **options)
    elif isinstance(command, Grow):
        replies = control.pool_grow(command.slots, **options)
    else:
        replies = control.pool_shrink(command.slots, **options)
    return replies


def _describe(command: ControlCommand) -> str:
    if isinstance(command, _QueueCommand):
        return f"{command.act} {command.queue!r}"
    return f"{command.act} by {command.slots}"


def _reply_text(reply: Any) -> str:
    if isinstance(reply, Mapping):
        return str(reply.get("ok") or reply.get("error") or reply)[:300]
    return str(reply)[:300]
