"""`celery gossip top`: the dashboard for the terminal."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from celery_gossip.cli.listening import open_listener
from celery_gossip.cli.options import queue_option, rules_option
from celery_gossip.cli.serving import required_extra

if TYPE_CHECKING:
    from celery_gossip.diagnosis.rule_settings import RuleSettings

__all__ = ["command"]


@click.command("top")
@queue_option
@rules_option
@click.pass_context
def command(ctx: click.Context, queues: "Sequence[str]", rules: "RuleSettings | None") -> None:
    """Show queues, workers and findings in the terminal, live.

    Needs the extra: celery-gossip[top].
    """
    with required_extra("top", "Textual", "rich", "textual"):
        from celery_gossip.tui import run_top
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.ClickException("celery gossip top needs a terminal; elsewhere use celery gossip status, or watch")
    with open_listener(ctx.obj.app, queues, rules) as listener:
        run_top(listener)
