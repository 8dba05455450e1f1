"""The `celery gossip …` commands. Front ends are imported on use.

The `celery` program imports this module at every start, the worker's too, so it is light; by that import it also gives
the program the setting `worker_bootsteps` and the command `celery inspect gossip`.
"""

import json
import logging
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from celery_gossip import autoload as autoload  # noqa: PLC0414 - connects its receiver
from celery_gossip import control as control  # noqa: PLC0414 - registers its command
from celery_gossip.errors import GossipError
from celery_gossip.log import logger

if TYPE_CHECKING:
    from celery_gossip.diagnosis import Finding
    from celery_gossip.exporter import ExporterOptions
    from celery_gossip.listener import Listener
    from celery_gossip.view import WorkerView

__all__ = ["gossip"]

_CONNECT_TIMEOUT = 3.0  #: seconds after which a broker that does not answer is reported
_INTERVALS_TO_HEAR = 1.7  #: a stalled worker speaks after 1.5 of its intervals, and all of them jitter by a tenth
_EXTRA = 0.3  #: seconds
_LONGEST_DIAGNOSIS = 15.0  #: seconds for which status goes on listening because something looks wrong


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
    """Show every queue, every worker that is heard, and what is wrong with them.

    Listens for a little more than the slowest worker's interval, and longer where something looks wrong. Exit code 1
    when nobody is heard, 2 on a critical finding.
    """
    from celery_gossip.report import status_json, status_text

    logging.getLogger("celery_gossip").addHandler(logging.NullHandler())  # what went wrong is said below, once
    with _listener(ctx.obj.app) as listener:
        _hear(listener, wait)
        view, findings, throughput = listener.view(), listener.findings, listener.throughput()
        if as_json:
            click.echo(json.dumps(status_json(view, findings, throughput)))
        elif view.workers or findings:
            click.echo(status_text(view, findings, throughput))
        why_nobody = "" if view.workers else _why_nobody(listener)  # asked while it listens
    if listener.rejected:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(listener.rejected.items()))
        click.echo(f"messages refused: {reasons}", err=True)
    if why_nobody:
        click.echo(f"Error: {why_nobody}", err=True)
    ctx.exit(_exit_code(view.workers, findings))


@gossip.command()
@click.option("--json", "as_json", is_flag=True, help="Print each gossip as on the wire, and each event, one a line.")
@click.pass_context
def watch(ctx: click.Context, as_json: bool) -> None:
    """Print a line per gossip, per worker that falls silent, per finding, and now and then per queue, until Ctrl-C."""
    from celery_gossip.watch import watch_lines

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end like Ctrl-C, which leaves nothing on the broker
    listener = _listener(ctx.obj.app)
    try:
        with listener:
            for line in watch_lines(listener, as_json=as_json):
                click.echo(line)
    except KeyboardInterrupt:
        ctx.exit(0)


@gossip.command()
@click.pass_context
def top(ctx: click.Context) -> None:
    """Watch queues, workers and findings in a dashboard. Needs the extra: celery-gossip[top]."""
    with _extra("top", "Textual", "rich", "textual"):
        from celery_gossip.tui import run_top
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.ClickException("celery gossip top needs a terminal; elsewhere use celery gossip status, or watch")
    with _listener(ctx.obj.app) as listener:
        run_top(listener)


@gossip.command()
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=9808, show_default=True, help="0 takes a free one.")
@click.option("--buckets", metavar="SECONDS,...", help="Bounds of the histograms; those of the client by default.")
@click.option("--no-hostname", is_flag=True, help="Sum up over workers: far fewer series.")
@click.option("--max-series", type=int, metavar="N", help="Time series of tasks in a scrape; 100000 by default.")
@click.pass_context
def exporter(ctx: click.Context, /, bind: str, port: int, **given: Any) -> None:
    """Serve metrics to Prometheus, until SIGINT or SIGTERM. Needs the extra: celery-gossip[prometheus]."""
    with _extra("prometheus", "prometheus_client", "prometheus_client"):
        from celery_gossip.exporter import Exporter
    listener = _listener(ctx.obj.app)
    with _binding(bind, port):
        exporter = Exporter(listener, _exporter_options(**given), bind, port)
    with listener, exporter:
        click.echo(f"serving {exporter.url}, listening on {listener.uri}")
        exporter.wait()


@gossip.command()
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=5556, show_default=True, help="0 takes a free one.")
@click.option("--auth", metavar="KIND", help="basic:FILE, bearer:FILE or header:NAME@PROXY; needed beyond loopback.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name under which it may be asked.")
@click.option("--prefix", default="", metavar="PATH", help="Where a reverse proxy serves it, as /ops/gossip.")
@click.option("--allow-control", is_flag=True, help="Pause, resume, grow and shrink, for who is known; needs --auth.")
@click.option("--app", "apps", multiple=True, metavar="APP", help="Another app to watch, as in celery -A; repeatable.")
@click.option(
    "--broker", "brokers", multiple=True, metavar="URL", help="Watch the app on this broker, too; repeatable."
)
@click.pass_context
def web(ctx: click.Context, /, auth: str | None, apps: "Sequence[str]", brokers: "Sequence[str]", **given: Any) -> None:
    """Serve a dashboard to browsers, until SIGINT or SIGTERM. Needs the extra: celery-gossip[web]."""
    with _extra("web", "Starlette", "starlette", "uvicorn", "anyio"):
        from celery_gossip.web import Dashboard, WebOptions, parse_auth
        from celery_gossip.web.server import WebServer
    watched = [ctx.obj.app, *map(_found_app, apps), *(_app_at(ctx.obj.app, url) for url in brokers)]
    try:
        options = WebOptions(auth=parse_auth(auth) if auth else None, **given)
    except GossipError as exc:
        raise click.ClickException(str(exc)) from exc
    listeners = [_listener(app) for app in watched]
    with _binding(options.bind, options.port):
        server = WebServer(Dashboard(listeners, options, _metrics_of(listeners)))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logger.setLevel(logging.INFO)  # what viewers ask of workers
    click.echo(f"serving {server.url}, listening on {', '.join(one.uri for one in listeners)}")
    server.run()


@contextmanager
def _extra(extra: str, library: str, *packages: str) -> Iterator[None]:
    """Say what to install where one of these packages is not."""
    try:
        yield
    except ModuleNotFoundError as exc:
        if not _is_missing(exc, *packages):
            raise
        command = click.get_current_context().command.name
        need = f'celery gossip {command} needs {library}: pip install "celery-gossip[{extra}]"'
        raise click.ClickException(need) from exc


def _is_missing(exc: ModuleNotFoundError, *packages: str) -> bool:
    return (exc.name or "").partition(".")[0] in packages


@contextmanager
def _binding(bind: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise click.ClickException(f"cannot serve on {bind}:{port}: {exc.strerror or exc}") from exc


def _found_app(name: str) -> Any:
    from celery.bin.celery import find_app

    try:
        return find_app(name)
    except (AttributeError, ImportError) as exc:
        raise click.BadParameter(f"--app: expected a Celery app as in celery -A, got {name!r}: {exc}") from exc


def _app_at(app: Any, url: str) -> Any:
    """The same app, whose tasks and gossip are on another broker."""
    other = type(app)(app.main, set_as_current=False)
    told = app.conf.finalize().without_defaults()  # of a lazy configuration there would be nothing yet
    other.conf.update({name: value for name, value in told.items() if name != "deprecated_settings"})
    # Not broker_url alone: CELERY_BROKER_URL goes before it.
    other.conf.update(broker_url=url, broker_read_url=url, broker_write_url=url, gossip_broker_url=None)
    return other


def _metrics_of(listeners: "Sequence[Listener]") -> dict[str, Any]:
    """What Prometheus is told of each; nothing without its client."""
    try:
        from celery_gossip.exporter import exposition
    except ModuleNotFoundError as exc:
        if not _is_missing(exc, "prometheus_client"):
            raise
        return {}
    return {str(number): partial(exposition, listener) for number, listener in enumerate(listeners)}


def _exporter_options(buckets: str | None, no_hostname: bool, max_series: int | None) -> "ExporterOptions":
    from celery_gossip.exporter import ExporterOptions, parse_buckets

    values: dict[str, Any] = {"by_hostname": not no_hostname}
    try:
        if buckets is not None:
            values["buckets"] = parse_buckets(buckets)
        if max_series is not None:
            values["max_series"] = max_series
        return ExporterOptions(**values)
    except GossipError as exc:
        raise click.ClickException(str(exc)) from exc


def _listener(app: Any) -> "Listener":
    from celery_gossip.listener import Listener

    try:
        return Listener(app)
    except GossipError as exc:
        raise click.ClickException(str(exc)) from exc


def _hear(listener: "Listener", wait: float | None) -> None:
    """Block for `wait` seconds of listening, or for as long as every worker heard needs to be heard again.

    Then on, unless `wait` is given, while something looks wrong that has not lasted long enough to be told.
    """
    began = time.monotonic()
    while not _has_heard(listener, wait, time.monotonic(), began):
        time.sleep(0.05)


def _has_heard(listener: "Listener", wait: float | None, now: float, began: float) -> bool:
    connected_at = listener.connected_at
    if connected_at is None:
        return now - began > max(_CONNECT_TIMEOUT, wait or 0.0)
    listened = now - connected_at
    if wait is not None:
        return listened > wait
    patience = _patience(listener)
    return listened > patience and (not listener.is_diagnosing or listened > patience + _LONGEST_DIAGNOSIS)


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


def _exit_code(workers: "Sequence[WorkerView]", findings: "Sequence[Finding]") -> int:
    """2: something is critically wrong with what is heard; 1: nothing can be told, for nobody is heard."""
    critical = {finding.kind for finding in findings if finding.severity == "critical"}
    if critical - {"nobody_heard", "isolated"} or (workers and critical):
        return 2
    return 0 if workers else 1
