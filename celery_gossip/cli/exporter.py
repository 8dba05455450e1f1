"""`celery gossip exporter`: metrics for Prometheus."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from celery_gossip.cli.listening import open_listener
from celery_gossip.cli.options import bind_option, host_option, port_option, queue_option, rules_option
from celery_gossip.cli.serving import binding, named_options, required_extra

if TYPE_CHECKING:
    from celery_gossip.diagnosis.rule_settings import RuleSettings
    from celery_gossip.exporter import ExporterOptions

__all__ = ["command"]

_FLAGS = {"buckets": "--buckets", "hosts": "--allow-host", "max_series": "--max-series"}


@click.command("exporter")
@bind_option
@port_option(9808)
@click.option(
    "--buckets",
    metavar="SECONDS,...",
    show_default="those of prometheus_client",
    help="Upper bounds of the histograms' buckets.",
)
@click.option("--no-hostname", is_flag=True, help="Sum over all workers: far fewer time series.")
@click.option(
    "--max-series",
    type=int,
    default=100_000,
    metavar="N",
    help="Time series of tasks in one scrape; further ones are left out and counted.",
)
@host_option
@queue_option
@rules_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    bind: str,
    port: int,
    queues: "Sequence[str]",
    rules: "RuleSettings | None",
    **given: Any,
) -> None:
    """Serve metrics to Prometheus until SIGINT or SIGTERM.

    Needs the extra: celery-gossip[prometheus].
    """
    with required_extra("prometheus", "prometheus_client", "prometheus_client"):
        from celery_gossip.exporter import Exporter
    listener, options = open_listener(ctx.obj.app, queues, rules), _options(**given)
    with binding(bind, port):
        exporter = Exporter(listener, options, bind, port)
    with listener, exporter:
        click.echo(f"serving {exporter.url}, listening on {listener.uri}")
        exporter.wait()


def _options(buckets: str | None, no_hostname: bool, **given: Any) -> "ExporterOptions":
    from celery_gossip.exporter import ExporterOptions, parse_buckets

    with named_options(_FLAGS):
        if buckets is not None:
            given["buckets"] = parse_buckets(buckets)
        return ExporterOptions(by_hostname=not no_hostname, **given)
