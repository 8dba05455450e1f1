"""Adapt the help texts of commands to reStructuredText, which they are not written in."""

import re
from typing import Any

import click
from sphinx.application import Sphinx

from celery_gossip.cli import gossip

_NODE_NAME = re.compile(r"\b\w+@\w+\b")  #: Sphinx would take it for an address of electronic mail
_DEFAULT = re.compile(r"(\s+:default:) ``'(.+)'``$")


def _on_options(_: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    """Quote node names; leave out defaults that say `none`, and show texts without quotes."""
    adapted = [_DEFAULT.sub(r"\1 \2", _NODE_NAME.sub(r"``\g<0>``", line)) for line in lines]
    lines[:] = [line for line in adapted if not line.endswith(":default: none")]


def _show_defaults() -> None:
    """Show defaults as `--help` does: the setting of the group does not reach sphinx-click."""
    for command in gossip.commands.values():
        for option in command.params:
            if isinstance(option, click.Option) and option.show_default is None and not option.is_flag:
                option.show_default = isinstance(option.default, (int, float, str))


def setup(app: Sphinx) -> dict[str, Any]:
    """Show defaults and register the change of the options."""
    _show_defaults()
    app.connect("sphinx-click-process-options", _on_options)
    return {"parallel_read_safe": True}
