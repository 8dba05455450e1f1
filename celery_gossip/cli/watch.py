"""`celery gossip watch`: a line for each report and event."""

import signal
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from celery_gossip.cli.listening import open_listener
from celery_gossip.cli.options import queue_option, rules_option
from celery_gossip.errors import NotRunning

if TYPE_CHECKING:
    from celery_gossip.diagnosis.rule_settings import RuleSettings

__all__ = ["command"]


@click.command("watch")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON object per line: each report as sent, and each event."
)
@queue_option
@rules_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, queues: "Sequence[str]", rules: "RuleSettings | None") -> None:
    """Print a line per report, event and finding until Ctrl-C.

    Events are workers that stop reporting or have another one's name. Every ten seconds there is also a line for each
    queue whose tasks were counted in the last minute.
    """
    from celery_gossip.console.watch import watch_lines

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # closes the listener, as Ctrl-C does
    try:
        with closing(watch_lines(open_listener(ctx.obj.app, queues, rules), as_json=as_json)) as lines:
            for line in lines:
                click.echo(line)
    except KeyboardInterrupt:
        ctx.exit(0)
    except NotRunning as exc:
        raise click.ClickException(str(exc)) from exc
