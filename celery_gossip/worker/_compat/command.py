"""Undocumented parts of the `celery` program's commands. Main thread, at start."""

import sys
from typing import Any

import click

from celery_gossip.worker._compat.names import find

__all__ = ["grouped_option", "start_refusal", "worker_command"]


def worker_command() -> click.Command | None:
    """Return the command `celery worker`; None outside the `celery` program, which has imported it."""
    command = getattr(sys.modules.get("celery.bin.worker"), "worker", None)
    return command if isinstance(command, click.Command) else None


def grouped_option(name: str, group: str, **attributes: Any) -> click.Option:
    """Return a new command line option, under this heading in --help if Celery supports headings."""
    celery_option = find("celery.bin.base:CeleryOption")
    if celery_option is None:
        return click.Option([name], **attributes)
    option: click.Option = celery_option([name], help_group=group, **attributes)
    return option


def start_refusal(text: str) -> Exception:
    """Return the exception with which the `celery` program ends with this line and exit code 1."""
    refusal = find("celery.exceptions:CeleryCommandException")
    return click.ClickException(text) if refusal is None else refusal(text, exit_code=1)
