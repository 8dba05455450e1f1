"""`celery gossip web`: the dashboard for browsers, for one or more apps and brokers."""

import logging
import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from celery_gossip.cli.listening import open_listener
from celery_gossip.cli.options import (
    allow_control_option,
    bind_option,
    host_option,
    port_option,
    queue_option,
    rules_option,
)
from celery_gossip.cli.serving import binding, is_missing, named_options, required_extra
from celery_gossip.errors import GossipError
from celery_gossip.log import logger

if TYPE_CHECKING:
    from celery_gossip.diagnosis.rule_settings import RuleSettings
    from celery_gossip.listener.listener import Listener
    from celery_gossip.web import WebOptions

__all__ = ["command"]

_FLAGS = {
    "allow_control": "--allow-control",
    "auth": "--auth",
    "bind": "--bind",
    "control_users": "--control-users",
    "hosts": "--allow-host",
    "prefix": "--prefix",
    "task_url": "--task-url",
}


@click.command("web")
@bind_option
@port_option(5556)
@click.option(
    "--auth",
    multiple=True,
    metavar="KIND",
    show_default="none",
    help="Authenticate users by basic:FILE, bearer:FILE, oidc:FILE or header:NAME@PROXY; repeatable with other kinds; "
    "required on another address than loopback's.",
)
@host_option
@click.option("--prefix", metavar="PATH", show_default="none", help="Path of a reverse proxy, such as /ops/gossip.")
@click.option(
    "--task-url",
    metavar="URL",
    show_default="none",
    help="Link failed tasks to this address, with {id} in place of the task's id: https://sentry.example/?query={id}.",
)
@allow_control_option(
    "Let authenticated users control workers; requires --auth. NAMES are of pause, scale, add_consumer, revoke, "
    "terminate, rate_limit, time_limit, pool_restart, shutdown and purge, separated by commas, or all. Without NAMES: "
    "pause,scale.",
)
@click.option(
    "--control-users",
    type=click.Path(),
    metavar="FILE",
    show_default="none",
    help="Give each user some of these permissions only: lines of user:permission,permission; * for other users.",
)
@click.option(
    "--app",
    "apps",
    multiple=True,
    metavar="APP",
    show_default="none",
    help="Watch this app, too, as in celery -A; repeatable.",
)
@click.option(
    "--broker",
    "brokers",
    multiple=True,
    metavar="URL",
    show_default="none",
    help="Watch the app on this broker, too; repeatable. The process list shows a password in it: see --broker-file.",
)
@click.option(
    "--broker-file",
    type=click.Path(),
    metavar="FILE",
    show_default="none",
    help="Watch the app on the brokers in this file, too: a URL per line. The environment variable "
    "GOSSIP_WEB_BROKERS holds URLs, too, separated by spaces.",
)
@queue_option
@rules_option
@click.pass_context
def command(ctx: click.Context, /, auth: Sequence[str], prefix: str | None, **given: Any) -> None:
    """Serve a dashboard to browsers until SIGINT or SIGTERM.

    Needs the extra: celery-gossip[web].
    """
    with required_extra("web", "Starlette", "starlette", "uvicorn", "anyio"):
        from celery_gossip.web import Dashboard
        from celery_gossip.web.server import WebServer
    apps, queues, rules = given.pop("apps"), given.pop("queues"), given.pop("rules")
    brokers, broker_file = given.pop("brokers"), given.pop("broker_file")
    given = {**given, "task_url": given["task_url"] or "", "allow_control": given["allow_control"] or False}
    options = _options(auth, prefix, **given)
    listeners = [open_listener(app, queues, rules) for app in (ctx.obj.app, *map(_find_app, apps))]
    listeners += _on_other_brokers(ctx.obj.app, brokers, broker_file, queues, rules)
    with binding(options.bind, options.port):
        server = WebServer(Dashboard(listeners, options, _metrics_of(listeners)))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logger.setLevel(logging.INFO)  # remote control that users ask for is logged
    click.echo(f"serving {server.url}, listening on {', '.join(listener.uri for listener in listeners)}")
    server.run()


def _options(auth: Sequence[str], prefix: str | None, **given: Any) -> "WebOptions":
    from celery_gossip.web import WebOptions, parse_auth
    from celery_gossip.web.control_users import read_control_users

    with named_options(_FLAGS):
        path = given.pop("control_users")
        users = None if path is None else read_control_users(path)
        return WebOptions(auth=parse_auth(*auth) if auth else None, prefix=prefix or "", control_users=users, **given)


def _find_app(name: str) -> Any:
    from celery.bin.celery import find_app

    try:
        return find_app(name)
    except Exception as exc:  # whatever the import of the user's module raises
        raise click.UsageError(f"--app: expected a Celery app as in celery -A, got {name!r}: {exc}") from exc


def _on_other_brokers(
    app: Any,
    brokers: Sequence[str],
    broker_file: str | None,
    queues: Sequence[str],
    rules: "RuleSettings | None",
) -> "list[Listener]":
    """Return a listener for this app on each of the other brokers."""
    from celery_gossip.cli.other_broker import app_at, broker_urls

    try:
        urls = broker_urls(brokers, broker_file, os.environ)
    except GossipError as exc:
        raise click.UsageError(str(exc)) from exc
    return [open_listener(partial(app_at, app, url), queues, rules, error_prefix) for url, error_prefix in urls]


def _metrics_of(listeners: "Sequence[Listener]") -> dict[str, Any]:
    """Return `{number of the listener: function that renders its metrics}`; empty without prometheus_client."""
    try:
        from celery_gossip.exporter import render_exposition
    except ModuleNotFoundError as exc:
        if not is_missing(exc, "prometheus_client"):
            raise
        return {}
    return {str(number): partial(render_exposition, listener) for number, listener in enumerate(listeners)}
