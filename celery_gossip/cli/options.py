"""Options that several commands share, and their types."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from celery_gossip.errors import InvalidOption

if TYPE_CHECKING:
    from celery_gossip.diagnosis.rule_settings import RuleSettings

__all__ = [
    "Name",
    "Seconds",
    "allow_control_option",
    "bind_option",
    "host_option",
    "port_option",
    "queue_option",
    "rules_option",
]

_MOST_SECONDS = 86_400

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Seconds(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A duration above 0 and at most a day."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds <= _MOST_SECONDS:
            self.fail(f"expected seconds above 0 and at most {_MOST_SECONDS}, got {value!r}", param, ctx)
        return seconds


class Name(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A name that is not empty."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value:
            self.fail(f"expected a name, got {value!r}", param, ctx)
        return str(value)


class RulesFile(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A TOML file with the settings of findings."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "RuleSettings":
        from celery_gossip.listener.rules_file import read_rules

        try:
            return read_rules(str(value))
        except InvalidOption as exc:
            self.fail(str(exc), param, ctx)


rules_option = click.option(
    "--rules",
    type=RulesFile(),
    metavar="FILE",
    show_default="none",
    help="TOML file that mutes findings, or changes their severities, times and thresholds, for all or single queues "
    "and workers.",
)
queue_option = click.option(
    "--queue",
    "queues",
    type=Name(),
    multiple=True,
    metavar="NAME",
    show_default="none",
    help="Also read the backlog of this queue, which neither a worker nor the app's settings name; repeatable.",
)
host_option = click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    show_default="none",
    help="Additional allowed Host header, beside loopback's names and --bind; repeatable.",
)
bind_option = click.option("--bind", default="127.0.0.1", metavar="ADDRESS", help="Address to serve on.")


def allow_control_option(help_text: str) -> Callable[[_Command], _Command]:
    """Return the option --allow-control; without names it is that of celery_gossip.control.permission.DEFAULT."""
    return click.option(
        "--allow-control",
        is_flag=False,
        flag_value="pause,scale",
        metavar="[=NAMES]",
        show_default="none",
        help=help_text,
    )


def port_option(default: int) -> Callable[[_Command], _Command]:
    """Return the option --port.

    It is not read from the environment: beside a Kubernetes service named `celery-gossip-web` or
    `celery-gossip-exporter`, every pod has a variable such as CELERY_GOSSIP_WEB_PORT=tcp://10.0.0.1:5556, which Click
    would take for the value of this option.
    """
    return click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=default,
        metavar="PORT",
        allow_from_autoenv=False,
        help="TCP port to serve on; 0 selects a free one.",
    )
