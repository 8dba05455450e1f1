"""The `celery gossip …` commands.

The `celery` program imports this package at every start, the worker's included, so it stays light: a command imports
its front end when it runs. The import also gives the `celery` program the setting `worker_bootsteps`, the flags of
`celery worker` and the command `celery inspect gossip`.
"""

import sys
from typing import Any

import click

from celery_gossip import __version__
from celery_gossip.cli import exporter, status, top, watch, web
from celery_gossip.process import escape_unencodable
from celery_gossip.worker import bootsteps_setting as bootsteps_setting
from celery_gossip.worker import inspect_command as inspect_command
from celery_gossip.worker.flags import offer_flags

__all__ = ["gossip"]

_CONTEXT = {"help_option_names": ["-h", "--help"], "show_default": True}  #: inherited by every command

offer_flags()


@click.group("gossip", context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="celery-gossip", message="%(prog)s %(version)s")
@click.pass_context
def gossip(ctx: click.Context, /, **_: Any) -> None:
    """Show what Celery workers report about themselves and their queues."""
    ctx.with_resource(escape_unencodable(sys.stdout, sys.stderr))


for _module in (exporter, status, top, watch, web):
    gossip.add_command(_module.command)
