"""Control: the few things that a viewer may ask of workers, through Celery's own remote control.

Called by the API on a thread, for it waits for answers. An act is asked for here and confirmed by the next gossip.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import msgspec

from celery_gossip import signals
from celery_gossip.log import logger
from celery_gossip.web.look import Look

__all__ = ["ACTS", "Act", "Control", "NobodyMeant", "Remote"]

ACTS = ("pause", "resume", "grow", "shrink")
_TIMEOUT = 2.0  #: seconds for the answers; a worker that is busy answers later, or by its gossip
_MOST_SLOTS = 100  #: that are added or taken at once


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked."""

    act: str  #: one of ACTS
    source: str
    hostname: str | None = None  #: null: all workers of the queue
    queue: str | None = None  #: of pause and resume
    n: int = 1  #: of grow and shrink


class NobodyMeant(ValueError):
    """No worker that is there is meant."""


@dataclass(frozen=True)
class Remote:
    """An app, and how to reach its workers."""

    app: Any
    connect: Callable[[], AbstractContextManager[Any]]


class Control:
    """ask() has an act done by the workers it is meant for."""

    def __init__(self, remotes: Mapping[str, Remote]) -> None:
        self._remotes = remotes

    def ask(self, act: Act, look: Look, user: str) -> dict[str, Any]:
        """`{"asked": [hostname], "answers": {hostname: text}}`. Blocks for two seconds at most, or a broker's timeouts.

        Raises ValueError for an act that is none, NobodyMeant, and whatever the transport raises.
        """
        asked = _meant(act, look)
        remote = self._remotes[act.source]
        logger.info("celery-gossip: %s asks %s of %s", user, _told(act), ", ".join(asked)[:1000])
        signals.emit(signals.control_asked, remote.app, act=act.act, user=user, hostnames=tuple(asked), queue=act.queue)
        with remote.connect() as connection:
            replies = _send(remote.app.control, act, asked, connection)
        answers = {host: _words(reply) for one in replies or () for host, reply in one.items() if host in asked}
        return {"asked": asked, "answers": answers}


def _meant(act: Act, look: Look) -> list[str]:
    """The workers that the act is for; only those that serve the queue, or others would begin to consume it."""
    if act.act not in ACTS:
        raise ValueError(f"act: expected one of {', '.join(ACTS)}, got {act.act!r}")
    here = [worker for worker in look.view.workers if not worker.is_gone]
    if act.act in ("pause", "resume"):
        if not act.queue:
            raise ValueError("queue: expected the name of a queue")
        here = [one for one in here if any(check.queue == act.queue for check in one.gossip.checks)]
    elif not act.hostname:
        raise ValueError("hostname: expected one worker: pools are grown one by one")
    elif not 1 <= act.n <= _MOST_SLOTS:
        raise ValueError(f"n: expected 1 to {_MOST_SLOTS}, got {act.n}")
    names = [one.gossip.hostname for one in here if act.hostname in (None, one.gossip.hostname)]
    if not names:
        raise NobodyMeant("no worker that is there serves this queue, or has this name")
    return names


def _send(control: Any, act: Act, asked: Sequence[str], connection: Any) -> list[dict[str, Any]]:
    how = {"destination": list(asked), "reply": True, "timeout": _TIMEOUT, "connection": connection}
    calls: dict[str, Callable[[], Any]] = {
        "pause": lambda: control.cancel_consumer(act.queue, **how),
        "resume": lambda: control.add_consumer(act.queue, **how),
        "grow": lambda: control.pool_grow(act.n, **how),
        "shrink": lambda: control.pool_shrink(act.n, **how),
    }
    replies: list[dict[str, Any]] = calls[act.act]()
    return replies


def _told(act: Act) -> str:
    return f"{act.act} {act.queue!r}" if act.queue else f"{act.act} by {act.n}"


def _words(reply: Any) -> str:
    if isinstance(reply, Mapping):
        return str(reply.get("ok") or reply.get("error") or reply)[:300]
    return str(reply)[:300]
