"""Control: checks the commands of users, sends them, and keeps the log of what became of them.

Called by a dashboard on a thread of its own, because sending waits for replies. The next reports confirm a command.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from celery_gossip import signals
from celery_gossip.cluster.view import View
from celery_gossip.control.activity import MAX_LISTED, Activity, ActivityLog
from celery_gossip.control.command import Command, Purge
from celery_gossip.control.confirmer import Confirmer
from celery_gossip.control.pending import Pending
from celery_gossip.control.remote import send_command
from celery_gossip.control.selection import CommandRefused, NoMatchingWorker, Selection, select_workers
from celery_gossip.errors import GossipError
from celery_gossip.fork_lock import reset_after_forks
from celery_gossip.log import LimitedLogger, logger
from celery_gossip.printable import printable

__all__ = ["CommandNotAllowed", "Control", "ControlReply", "ControlTarget", "UnknownSource"]

_MAX_LINE = 1000  #: characters of hostnames in a line of the log


class CommandNotAllowed(GossipError, PermissionError):
    """The user has no permission for this command."""


class UnknownSource(GossipError, LookupError):
    """No watched app has this number."""


class ControlReply(msgspec.Struct, frozen=True, kw_only=True):
    """The workers that a command was sent to, and the replies that arrived within two seconds."""

    asked: list[str]  #: hostnames
    answers: dict[str, str]  #: `{hostname: reply}`
    errors: list[str] = []  #: hostnames whose reply is an error
    refused: dict[str, str] = {}  #: `{hostname: why it was not sent to}`
    activity: int | None = None  #: number in the log of activities; null for a preview
    detail: str = ""  #: what the broker did


@dataclass(frozen=True)
class ControlTarget:
    """An app, the connection to its workers, and the view on them."""

    app: Any
    connect: Callable[[], AbstractContextManager[Any]]
    view: Callable[[], View]
    knows_queue: Callable[[str], bool] = lambda queue: False
    purge: Callable[[str], int] | None = None  #: deletes the messages of a queue, and returns their number


@dataclass(eq=False)
class Control:
    """Sends commands to the matching workers of each watched app. `permissions` are those that users may have.

    `control_users` narrows them: `{user: permissions}`, with `*` for all users who are not listed; None: all users have
    all of `permissions`.
    """

    targets: Mapping[str, ControlTarget]
    permissions: frozenset[str]
    control_users: Mapping[str, frozenset[str]] | None = None
    clock: Callable[[], float] = time.monotonic
    unix_clock: Callable[[], float] = time.time
    log: ActivityLog = field(default_factory=ActivityLog)

    def __post_init__(self) -> None:
        self._limited_log = LimitedLogger()
        self.confirmer = Confirmer(lambda source: self.targets[source].view(), self._on_change, self.clock)
        reset_after_forks(self)

    def reset_after_fork(self) -> None:
        """Replace locks and forget threads of the parent process."""
        self.log.reset_after_fork()
        self.confirmer.reset_after_fork()

    def close(self) -> None:
        """End the thread that waits for reports. A later command starts it again."""
        self.confirmer.close()

    def permissions_of(self, user: str) -> frozenset[str]:
        """Return the permissions of an authenticated user."""
        if self.control_users is None:
            return self.permissions
        own = self.control_users.get(user, self.control_users.get("*", frozenset()))
        return self.permissions & own

    def preview(self, command: Command, user: str) -> ControlReply:
        """Return the workers to which the command would be sent now. Raises what send() raises before it sends."""
        selection = self._select(command, user)
        return ControlReply(asked=selection.hostnames, answers={}, refused=dict(selection.refused))

    def send(self, command: Command, user: str) -> ControlReply:
        """Send the command and return the replies. Blocks for some seconds, or for the broker's timeouts.

        Raises CommandNotAllowed, UnknownSource, NoMatchingWorker, CommandRefused, and any exception of the transport.
        """
        selection = self._select(command, user)
        target = self.targets[command.source]
        activity = self._begin(command, selection, user, target)
        pending = Pending(command, selection.workers, activity, self.clock())
        try:
            if isinstance(command, Purge):
                return self._purge(command, target, pending)
            with target.connect() as connection:
                answers = send_command(target.app.control, command, selection.workers, connection)
        except Exception as exc:
            self._fail(pending, exc)
            raise
        pending.answers = answers
        pending.review(None, self.clock())
        self._on_change(pending, activity)
        if not pending.is_settled:
            self.confirmer.add(pending)
        return ControlReply(
            asked=selection.hostnames,
            answers={host: answer.text for host, answer in answers.items()},
            errors=[host for host, answer in answers.items() if answer.is_error],
            refused=dict(selection.refused),
            activity=activity.id,
            detail=pending.activity.detail,
        )

    def _select(self, command: Command, user: str) -> Selection:
        permission = command.permission
        if permission not in self.permissions_of(user):
            self._limited_log.warning(
                "permission", "celery-gossip: %s may not %s: %s", printable(user), command.act, permission
            )
            raise CommandNotAllowed(f"{command.act}: expected the permission {permission!r}; see --allow-control")
        target = self.targets.get(command.source)
        if target is None:
            raise UnknownSource("source: no watched app has this number")
        if isinstance(command, Purge):
            if target.purge is None:
                raise CommandRefused("this dashboard cannot purge queues")
            if not (target.knows_queue(command.queue) or target.view().queue(command.queue)):
                raise NoMatchingWorker("queue: no worker or setting names this queue")
        return select_workers(command, target.view())

    def _begin(self, command: Command, selection: Selection, user: str, target: ControlTarget) -> Activity:
        hostnames, text = selection.hostnames, printable(command.words)
        activity = Activity(
            id=self.log.next_id(),
            at=round(self.unix_clock(), 1),
            source=command.source,
            user=user,
            act=command.act,
            text=text,
            task_ids=list(command.task_ids),
            queue=getattr(command, "queue", None),
            workers=len(hostnames),
            hostnames=hostnames[:MAX_LISTED],
            answers={},
            outcomes={},
            counts={},
            outcome="waiting",
        )
        self.log.put(activity)
        where = printable(", ".join(hostnames)[:_MAX_LINE]) or "the broker"
        logger.info("celery-gossip: %s requests %s on %s", printable(user), text, where)
        signals.emit(
            signals.control_asked,
            target.app,
            act=command.act,
            user=user,
            hostnames=tuple(hostnames),
            queue=activity.queue,
            task_ids=tuple(activity.task_ids),
            activity_id=activity.id,
        )
        return activity

    def _purge(self, command: Purge, target: ControlTarget, pending: Pending) -> ControlReply:
        assert target.purge is not None  # see _select
        count = target.purge(command.queue)
        detail = f"{count} message{'' if count == 1 else 's'} deleted"
        self._settle(pending, outcome="confirmed", detail=detail)
        return ControlReply(asked=[], answers={}, activity=pending.activity.id, detail=detail)

    def _fail(self, pending: Pending, exc: Exception) -> None:
        """Note an error of the broker. Only its kind is shown, because its text may contain a password."""
        kind = type(exc).__name__
        if isinstance(exc, ConnectionRefusedError) or hasattr(exc, "reply_code"):  # of AMQP
            self._settle(pending, outcome="failed", detail=f"{kind}: the broker refused it")
        else:
            self._settle(pending, outcome="unknown", detail=f"{kind}: it is not known whether it was received")

    def _settle(self, pending: Pending, **changes: Any) -> None:
        before, seconds = pending.activity, round(self.clock() - pending.sent_at, 1)
        pending.activity = msgspec.structs.replace(before, seconds=seconds, **changes)
        self._on_change(pending, before)

    def _on_change(self, pending: Pending, before: Activity) -> None:
        """Keep the new state in the log; write a line and send the signal when the outcome is known."""
        activity = pending.activity
        self.log.put(activity)
        if activity.outcome == "waiting" or before.outcome != "waiting":
            return
        counts = ", ".join(f"{outcome} {count}" for outcome, count in activity.counts.items())
        facts = "; ".join(fact for fact in (counts, activity.detail) if fact)
        logger.info(
            "celery-gossip: %s by %s: %s after %.1f s (%s)",
            activity.text,
            printable(activity.user),
            activity.outcome,
            activity.seconds or 0.0,
            facts or "no workers",
        )
        signals.emit(signals.control_settled, self.targets[activity.source].app, activity=activity)
