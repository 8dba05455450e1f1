"""Common parts of the commands that need an extra or serve HTTP: errors that say what to install or to change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from celery_gossip.errors import GossipError

__all__ = ["binding", "is_missing", "named_options", "required_extra"]


@contextmanager
def required_extra(extra: str, library: str, *packages: str) -> Iterator[None]:
    """Raise ClickException with the command to install the extra where one of these packages is not installed."""
    try:
        yield
    except ModuleNotFoundError as exc:
        if not is_missing(exc, *packages):
            raise
        command = click.get_current_context().command.name
        raise click.ClickException(
            f'celery gossip {command} needs {library}: pip install "celery-gossip[{extra}]"'
        ) from exc


def is_missing(exc: ModuleNotFoundError, *packages: str) -> bool:
    """Return True if the module that was not found belongs to one of these packages."""
    return (exc.name or "").partition(".")[0] in packages


@contextmanager
def binding(bind: str, port: int) -> Iterator[None]:
    """Raise ClickException where the server's socket cannot be bound."""
    try:
        yield
    except OSError as exc:
        raise click.ClickException(f"--bind, --port: cannot serve on {bind}:{port}: {exc.strerror or exc}") from exc


@contextmanager
def named_options(flags: Mapping[str, str]) -> Iterator[None]:
    """Raise UsageError for a GossipError, which begins with a keyword of the API; `flags` has the option of each."""
    try:
        yield
    except GossipError as exc:
        keyword, colon, rest = str(exc).partition(": ")
        raise click.UsageError(f"{flags.get(keyword, keyword)}{colon}{rest}") from exc
