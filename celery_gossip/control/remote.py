"""Remote: sends a command through Celery's remote control, and reads the replies of the workers.

Blocks for up to TIMEOUT seconds, twice for `terminate` if the pools differ, or for the broker's timeouts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from celery_gossip.cluster.view import WorkerView
from celery_gossip.control.ability import can_terminate
from celery_gossip.control.command import Command, Shutdown, Terminate
from celery_gossip.printable import printable

__all__ = ["TIMEOUT", "Answer", "send_command"]

TIMEOUT = 2.0  #: seconds for the replies; a busy worker replies later, and its reports show the change anyway
_MAX_TEXT = 300  #: characters of a reply


class Answer(msgspec.Struct, frozen=True):
    """Reply of a worker."""

    text: str
    is_error: bool = False


def send_command(control: Any, command: Command, workers: Sequence[WorkerView], connection: Any) -> dict[str, Answer]:
    """Send the command to these workers and no others. Returns `{hostname: answer}` of those that replied in time.

    `control` is that of a Celery app. Raises any exception of the transport.
    """
    answers: dict[str, Answer] = {}
    for method, arguments, hostnames in _calls(command, workers):
        options = {"destination": hostnames, "reply": True, "timeout": TIMEOUT, "connection": connection}
        if isinstance(command, Shutdown):
            options["reply"] = False  # the worker ends its loop in place of a reply
        replies = getattr(control, method)(**arguments, **options)
        answers.update(_answers(replies or (), set(hostnames)))
    return answers


def _calls(command: Command, workers: Sequence[WorkerView]) -> list[tuple[str, dict[str, Any], list[str]]]:
    """Return `(method of the remote control, its arguments, hostnames)` of each call."""
    hostnames = [worker.hostname for worker in workers]
    if not isinstance(command, Terminate):
        return [(*command.remote_call(), hostnames)]
    # A pool that cannot end a task raises an error even for one that has not started.
    others = [worker.hostname for worker in workers if not can_terminate(worker)]
    able = [hostname for hostname in hostnames if hostname not in set(others)]
    revoke: dict[str, Any] = {"task_id": list(command.task_ids)}
    return [call for call in ((*command.remote_call(), able), ("revoke", revoke, others)) if call[2]]


def _answers(replies: Iterable[Mapping[str, Any]], asked: set[str]) -> dict[str, Answer]:
    return {host: _answer(reply) for one in replies for host, reply in one.items() if host in asked}


def _answer(reply: Any) -> Answer:
    if isinstance(reply, Mapping) and "error" in reply:
        return Answer(_text(reply["error"]), is_error=True)
    return Answer(_text(reply["ok"] if isinstance(reply, Mapping) and "ok" in reply else reply))


def _text(reply: Any) -> str:
    return printable(str(reply)[:_MAX_TEXT])[:_MAX_TEXT]
