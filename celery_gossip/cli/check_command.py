"""A command whose failures have the exit code of a monitoring plugin. Used by `celery gossip status`."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from celery_gossip.log import describe_error
from celery_gossip.process import restore_signal_handlers

__all__ = ["CheckCommand"]

_UNKNOWN = 3  #: exit code of a check without a result


class CheckCommand(click.Command):
    """A command that exits with 3 (unknown) whenever it fails, as a monitoring plugin does.

    With --check the error is also the first line on stdout, the only text that some monitoring systems show.
    """

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> click.Context:
        """Raise usage errors with exit code 3; Click has 2, which would mean critical."""
        with _unknown_on_error(is_check="--check" in args):
            return super().make_context(info_name, args, *more, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; SIGTERM, which a monitoring system sends after its timeout, ends it as Ctrl-C does."""
        with _unknown_on_error(is_check=ctx.params["as_check"]), restore_signal_handlers((signal.SIGTERM,)):
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            return super().invoke(ctx)


@contextmanager
def _unknown_on_error(*, is_check: bool) -> Iterator[None]:
    try:
        yield
    except click.exceptions.Exit:
        raise
    except click.ClickException as exc:
        _print_unknown(exc.format_message(), is_check)
        exc.exit_code = _UNKNOWN  # type: ignore[misc]
        raise
    except (KeyboardInterrupt, click.Abort):
        _print_unknown("interrupted", is_check)
        raise click.exceptions.Exit(_UNKNOWN) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed at exit
        raise click.exceptions.Exit(_UNKNOWN) from None
    except Exception as exc:
        _print_unknown(f"internal error: {describe_error(exc)}", is_check)
        traceback.print_exc()
        raise click.exceptions.Exit(_UNKNOWN) from exc


def _print_unknown(text: str, is_check: bool) -> None:
    if is_check:
        from celery_gossip.console.check_text import plugin_line
        from celery_gossip.printable import printable

        click.echo(plugin_line("unknown", printable(text)))
