"""Base classes of commands: the workers that a command names, and how it is described and sent. Pure."""

from typing import Annotated, Any, ClassVar

import msgspec

from celery_gossip.wire.limits import MAX_NAME

__all__ = ["MAX_HOSTNAMES", "BaseCommand", "Name", "NamedCommand", "WorkerCommand"]

MAX_HOSTNAMES = 1_000  #: workers that one command names

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
Hostnames = Annotated[list[Name], msgspec.Meta(min_length=1)]


class BaseCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="act"):
    """A command of one watched app."""

    permission: ClassVar[str] = ""  #: that a user needs, by its name in --allow-control

    source: str  #: number of the watched app

    @property
    def act(self) -> str:
        """Return the command's name in JSON."""
        return str(self.__struct_config__.tag)

    @property
    def words(self) -> str:
        """Return the command in words, without its workers: for the log."""
        return self.act

    @property
    def named(self) -> tuple[str, ...] | None:
        """Return the hostnames that the command names; None if it is for all workers that match."""
        return None

    @property
    def task_ids(self) -> tuple[str, ...]:
        """Return the ids of the tasks that the command ends or prevents."""
        return ()

    def remote_call(self) -> tuple[str, dict[str, Any]]:
        """Return the name of the method of Celery's remote control and its arguments."""
        return self.act, {}


class WorkerCommand(BaseCommand, frozen=True, kw_only=True):
    """A command to workers."""

    hostname: Name | None = None  #: the only worker to send to
    hostnames: Hostnames | None = None  #: the only workers to send to; null for all that match, without `hostname`

    def __post_init__(self) -> None:
        if self.hostname is not None and self.hostnames is not None:
            raise ValueError("expected hostname or hostnames, got both")
        self._require_few()

    def _require_few(self) -> None:
        if len(self.hostnames or ()) > MAX_HOSTNAMES:
            raise ValueError(f"hostnames: expected at most {MAX_HOSTNAMES}")

    @property
    def named(self) -> tuple[str, ...] | None:
        if self.hostname is not None:
            return (self.hostname,)
        return None if self.hostnames is None else tuple(dict.fromkeys(self.hostnames))


class NamedCommand(WorkerCommand, frozen=True, kw_only=True):
    """A command that is never for all workers: it names each of them."""

    def __post_init__(self) -> None:
        if (self.hostname is None) == (self.hostnames is None):
            raise ValueError("expected hostname or hostnames")
        self._require_few()
