"""ControlSession: what the user of one `top` may send, and the commands that were sent. Sending blocks: any thread."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from celery_gossip.control.activity import Activity
from celery_gossip.control.command import Command
from celery_gossip.control.control import Control, ControlReply
from celery_gossip.errors import GossipError
from celery_gossip.printable import printable

__all__ = ["ControlSession", "Sending", "describe_activity", "describe_failure", "os_user"]


@dataclass(frozen=True)
class ControlSession:
    """The control of the app that `top` watches, and the name of the user in the log."""

    control: Control
    user: str

    @property
    def permissions(self) -> frozenset[str]:
        return self.control.permissions_of(self.user)

    def may(self, permission: str) -> bool:
        return permission in self.control.permissions_of(self.user)

    def preview(self, command: Command) -> ControlReply:
        """Return the workers that the command is for. Raises GossipError if there is none."""
        return self.control.preview(command, self.user)

    def send(self, command: Command) -> ControlReply:
        """Send the command, and return the replies. Blocks; see Control.send()."""
        return self.control.send(command, self.user)

    def activities(self) -> Sequence[Activity]:
        """Return the commands that were sent, the latest first."""
        return self.control.log.latest()

    def activity(self, number: int | None) -> Activity | None:
        return next((one for one in self.activities() if one.id == number), None)


class Sending:
    """A command that is being sent on a thread of its own. The thread does not keep the process from ending."""

    def __init__(self, session: ControlSession, command: Command) -> None:
        self.reply: ControlReply | None = None
        self.error = ""  #: why it was not sent
        self._session = session
        self._command = command
        self._thread = threading.Thread(target=self._run, name="celery-gossip-command", daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return self.reply is not None or bool(self.error)

    def _run(self) -> None:
        try:
            self.reply = self._session.send(self._command)
        except Exception as exc:
            self.error = describe_failure(exc)


def os_user() -> str:
    """Return the name of the user that this process runs as; not what its environment says."""
    try:
        from pwd import getpwuid
    except ImportError:  # Windows
        return os.environ.get("USERNAME") or "unknown"
    try:
        return getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container, for example
        return f"uid {os.getuid()}"


def describe_activity(activity: Activity) -> str:
    """Return a line about a command that was sent: when, by whom, what, to how many, and its outcome."""
    time = datetime.fromtimestamp(activity.at).strftime("%Y-%m-%d %H:%M:%S")
    counts = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in activity.counts.items())
    facts = "; ".join(filter(None, (counts, activity.detail)))
    outcome = activity.outcome.replace("_", " ")
    text = f"{time} {activity.user}: {activity.text}: {outcome}"
    return printable(f"{text} ({facts})" if facts else text)


def describe_failure(exc: Exception) -> str:
    """Return why a command was not sent; of an error of the broker its kind only: its text may contain a password."""
    return (
        str(exc) if isinstance(exc, GossipError) else f"{type(exc).__name__}: the broker cannot be reached or refuses"
    )
