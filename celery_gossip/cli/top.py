"""`celery gossip top`: the dashboard for the terminal."""

import logging
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from celery_gossip.cli.listening import open_listener
from celery_gossip.cli.options import allow_control_option, queue_option, rules_option
from celery_gossip.cli.serving import named_options, required_extra
from celery_gossip.log import logger

if TYPE_CHECKING:
    from celery_gossip.control.control import Control
    from celery_gossip.diagnosis.rule_settings import RuleSettings
    from celery_gossip.listener.listener import Listener

__all__ = ["command"]


@click.command("top")
@allow_control_option(
    "Let the user of the terminal control workers. NAMES are of pause, scale, add_consumer, revoke, terminate, "
    "shutdown, pool_restart, rate_limit, time_limit, purge, separated by commas, or all. Without NAMES: pause,scale.",
)
@queue_option
@rules_option
@click.pass_context
def command(
    ctx: click.Context, allow_control: str | None, queues: "Sequence[str]", rules: "RuleSettings | None"
) -> None:
    """Show queues, workers, tasks and findings in the terminal, live.

    Needs the extra: celery-gossip[top].
    """
    with required_extra("top", "Textual", "rich", "textual"):
        from celery_gossip.tui import ControlSession, describe_activity, os_user, run_top
    permissions = _permissions(allow_control)
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.ClickException("celery gossip top needs a terminal; elsewhere use celery gossip status, or watch")
    listener = open_listener(ctx.obj.app, queues, rules)
    if not permissions:
        with listener:
            run_top(listener)
        return
    control = _control(listener, permissions)
    logger.setLevel(logging.INFO)  # commands are logged
    with listener, closing(control):
        run_top(listener, ControlSession(control, os_user()))
    for activity in reversed(control.log.latest()):
        click.echo(describe_activity(activity))


def _permissions(text: str | None) -> frozenset[str]:
    from celery_gossip.control.permission import parse_permissions

    with named_options({"allow_control": "--allow-control"}):
        return frozenset() if text is None else parse_permissions(text)


def _control(listener: "Listener", permissions: frozenset[str]) -> "Control":
    from celery_gossip.control.control import Control
    from celery_gossip.listener.control_target import control_target

    return Control({"0": control_target(listener)}, permissions)
