"""The `celery gossip …` commands. Front ends are imported on use.

The `celery` program imports this module at every start, the worker's too, so it is light; by that import it also gives
the program the setting `worker_bootsteps` and the command `celery inspect gossip`.
"""

import json
import logging
import queue
import time
from typing import TYPE_CHECKING, Any

import click

from celery_gossip import autoload as autoload  # noqa: PLC0414 - connects its receiver
from celery_gossip import control as control  # noqa: PLC0414 - registers its command
from celery_gossip.errors import GossipError

if TYPE_CHECKING:
    from celery_gossip.listener import Listener

__all__ = ["gossip"]

_CONNECT_TIMEOUT = 3.0  #: seconds after which a broker that does not answer is reported
_INTERVALS_TO_HEAR = 1.7  #: a stalled worker speaks after 1.5 of its intervals, and all of them jitter by a tenth
_EXTRA = 0.3  #: seconds


class _Seconds(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds <= 86_400:
            self.fail(f"expected seconds above 0 and at most 86400, got {value!r}", param, ctx)
        return seconds


@click.group("gossip")
def gossip(**_: Any) -> None:
    """Hear what every worker says of its queues."""


@gossip.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--wait", type=_Seconds(), metavar="SECONDS", help="How long to listen.")
@click.pass_context
def status(ctx: click.Context, as_json: bool, wait: float | None) -> None:
    """Show every queue and every worker that is heard.

    Listens for a little more than the slowest worker's interval. Exit code 1 when nobody is heard.
    """
    from celery_gossip.report import status_json, status_text

    logging.getLogger("celery_gossip").addHandler(logging.NullHandler())  # what went wrong is said below, once
    listener = _listener(ctx)
    with listener:
        _hear(listener, wait)
        workers = listener.cluster.workers()
        if as_json:
            click.echo(json.dumps(status_json(workers)))
        elif workers:
            click.echo(status_text(workers))
        why_nobody = "" if workers else _why_nobody(listener)  # asked while it listens: afterwards it is not connected
    if listener.rejected:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(listener.rejected.items()))
        click.echo(f"messages refused: {reasons}", err=True)
    if why_nobody:
        raise click.ClickException(why_nobody)


@gossip.command()
@click.option("--json", "as_json", is_flag=True, help="Print each gossip as on the wire, one a line.")
@click.pass_context
def watch(ctx: click.Context, as_json: bool) -> None:
    """Print a line per gossip until Ctrl-C."""
    from celery_gossip import signals
    from celery_gossip.messages import encode
    from celery_gossip.report import gossip_line

    heard: queue.Queue[Any] = queue.Queue()

    def on_gossip(sender: Any, gossip: Any) -> None:
        heard.put(gossip)

    listener = _listener(ctx)
    with signals.gossip_received.connected_to(on_gossip, sender=listener.app):
        try:
            with listener:
                while True:
                    latest = heard.get()
                    click.echo(encode(latest) if as_json else gossip_line(latest, time.time()))
        except KeyboardInterrupt:
            ctx.exit(0)


def _listener(ctx: click.Context) -> "Listener":
    from celery_gossip.listener import Listener

    try:
        return Listener(ctx.obj.app)
    except GossipError as exc:
        raise click.ClickException(str(exc)) from exc


def _hear(listener: "Listener", wait: float | None) -> None:
    """Block for `wait` seconds of listening, or for as long as every worker heard needs to be heard again."""
    began = time.monotonic()
    while True:
        now = time.monotonic()
        connected_at = listener.connected_at
        if connected_at is None:
            if now - began > max(_CONNECT_TIMEOUT, wait or 0.0):
                return
        elif now - connected_at > (wait or _patience(listener)):
            return
        time.sleep(0.05)


def _patience(listener: "Listener") -> float:
    intervals = [worker.gossip.interval for worker in listener.cluster.workers() if not worker.is_gone]
    return _INTERVALS_TO_HEAR * max(intervals, default=listener.options.interval) + _EXTRA


def _why_nobody(listener: "Listener") -> str:
    if listener.error is not None:
        return f"cannot reach the broker {listener.uri}: {listener.error}"
    if listener.connected_at is None:
        return f"cannot reach the broker {listener.uri}: no answer yet"
    return (
        f"no worker is heard on exchange {listener.options.exchange!r} of {listener.uri}. Is one running, does it use "
        "this broker, and does it gossip? See `celery_gossip.install(app)`; a worker with a long gossip_interval "
        "needs --wait SECONDS."
    )
