"""`celery gossip status`: queues, workers and what is wrong with them, as text, JSON or a monitoring check."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from celery_gossip.cli.check_command import CheckCommand
from celery_gossip.cli.options import Name, Seconds, rules_option
from celery_gossip.cli.threshold import LEAST_COUNT, MOST_COUNT, MOST_RATE, MOST_SECONDS
from celery_gossip.errors import GossipError

if TYPE_CHECKING:
    from celery_gossip.console.check import Expectations, Result
    from celery_gossip.console.report import Answer

__all__ = ["command"]


@click.command("status", cls=CheckCommand)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--check",
    "as_check",
    is_flag=True,
    help="Print the output of a monitoring plugin instead of tables: a line with state, summary and performance data, "
    "then a line per problem.",
)
@click.option("--tasks", "with_tasks", is_flag=True, help="Also list the running tasks, the longest running first.")
@click.option(
    "--task",
    "tasks",
    type=Name(),
    multiple=True,
    metavar="ID_OR_NAME",
    show_default="every task",
    help="List the running tasks with this id or this name only; repeatable.",
)
@click.option(
    "--find",
    "find",
    type=Name(),
    multiple=True,
    metavar="ID",
    show_default="none",
    help="Say where the task with this id, or whose id begins with these 8 or more characters, runs or waits, how it "
    "failed, or with which worker it was lost; repeatable. A dashboard (--server) also remembers where it was last.",
)
@click.option(
    "--exact-age",
    "with_exact_age",
    is_flag=True,
    help="Also read from the next message of each queue when it was sent; Redis only.",
)
@click.option(
    "--balance",
    "with_balance",
    is_flag=True,
    help="Also show the tasks that were sent to each queue and what became of them, as far as processes count what "
    "they send (gossip_count_sent). What is missing is known after two minutes: use --server, or --wait 120.",
)
@click.option(
    "--failures",
    "with_failures",
    is_flag=True,
    help="Also list the last failures, grouped by task, exception and code line. Workers report a failure for some "
    "three intervals only: use --server, or --wait, for earlier ones.",
)
@click.option(
    "--worker",
    "details",
    type=Name(),
    multiple=True,
    metavar="HOSTNAME",
    show_default="none",
    help="Also show PID, uptime, versions, paused queues, configuration and registered tasks of this worker "
    "(celery@web1); repeatable. Workers report most of them at their start, and then every two minutes: use --server, "
    "or --wait 130.",
)
@click.option(
    "--wait",
    type=Seconds(),
    metavar="SECONDS",
    show_default="until every worker had time to report, about 2",
    help="Seconds to listen. With --server, seconds for which the dashboard must have listened.",
)
@click.option(
    "--queue",
    "queues",
    type=Name(),
    multiple=True,
    metavar="NAME",
    show_default="every queue",
    help="Apply --max-backlog, --max-wait and --max-failure-rate to this queue only, and show its backlog although no "
    "worker serves it; repeatable.",
)
@click.option(
    "--expect-workers",
    type=LEAST_COUNT,
    metavar="[WARN,]N",
    show_default="none",
    help="Critical with fewer than N workers that report (online, stalled or in conflict).",
)
@click.option(
    "--expect-worker",
    "hostnames",
    type=Name(),
    multiple=True,
    metavar="HOST",
    show_default="none",
    help="Critical unless this worker (celery@web1), or one at least on this host (web1), reports; repeatable.",
)
@click.option(
    "--max-backlog",
    type=MOST_COUNT,
    metavar="[WARN,]N",
    show_default="none",
    help="Critical where more than N messages wait on the broker in one queue.",
)
@click.option(
    "--max-wait",
    type=MOST_SECONDS,
    metavar="[WARN,]SECONDS",
    show_default="none",
    help="Critical where the tasks of one queue waited longer (95th percentile of the latest minute).",
)
@click.option(
    "--max-failure-rate",
    type=MOST_RATE,
    metavar="[WARN,]RATE",
    show_default="none",
    help="Critical where more of one queue's tasks failed in the latest minute: 0.05 or 5%.",
)
@rules_option
@click.option(
    "--server",
    metavar="URL",
    show_default="none",
    help="Ask a running `celery gossip web`, which also knows the workers that stopped reporting before, instead of "
    "listening to the broker.",
)
@click.option(
    "--server-auth",
    metavar="KIND",
    show_default="none",
    help="Credentials for --server: basic:FILE or bearer:FILE. The environment variables GOSSIP_SERVER_LOGIN "
    "(user:password) and GOSSIP_SERVER_TOKEN hold them, too.",
)
@click.option(
    "--server-timeout",
    type=Seconds(),
    default=10.0,
    metavar="SECONDS",
    help="Seconds after which a dashboard that has not answered is given up.",
)
@click.pass_context
def command(ctx: click.Context, /, as_json: bool, as_check: bool, **given: Any) -> None:
    """Show queues and workers, and check that nothing is wrong.

    A limit is one value, above which the state is critical, or two: 100,1000 is a warning above 100 and critical above
    1000. See docs/how-to/checks.md.

    \b
    Exit codes, as of a monitoring plugin; the worst counts, in this order:
      2  critical: a critical finding, an unmet expectation, an exceeded limit
      1  warning: a warning finding, an exceeded WARN limit
      3  unknown: no worker reports, a broker or dashboard cannot be reached,
         a value that is checked is unknown, or the command is used wrongly
      0  ok
    """
    if as_json and as_check:
        raise click.UsageError("expected one of --json and --check, got both")
    if given["server_auth"] is not None and given["server"] is None:
        raise click.UsageError("--server-auth: expected together with --server")
    if given["rules"] is not None and given["server"] is not None:
        raise click.UsageError("--rules: expected without --server: the findings are those of the dashboard")
    if given["with_exact_age"] and given["server"] is not None:
        raise click.UsageError("--exact-age: expected without --server: see /api/queues/SOURCE/NAME?exact=true")
    from celery_gossip.console.check import EXIT_CODES, Expectations, evaluate, overall
    from celery_gossip.console.check_text import plugin_text

    logging.getLogger("celery_gossip").addHandler(logging.NullHandler())  # errors are printed here, once
    names = ("hostnames", "queues", "max_backlog", "max_wait", "max_failure_rate")
    expected = Expectations(workers=given["expect_workers"], **{name: given[name] for name in names})
    wait: float | None = given["wait"]
    tasks = given["tasks"] if given["with_tasks"] or given["tasks"] else None
    is_local = given["server"] is None
    answer = _listen(ctx.obj.app, expected, wait, tasks, given) if is_local else _ask(wait, tasks, given)
    results = evaluate(answer.report, expected)
    if as_check:
        click.echo(plugin_text(answer.report, results, expected))
    else:
        _print(answer, results, as_json=as_json)
    ctx.exit(EXIT_CODES[overall(answer.report, results)])


def _listen(
    app: Any,
    expected: "Expectations",
    wait: float | None,
    tasks: "Sequence[str] | None",
    given: "Mapping[str, Any]",
) -> "Answer":
    from celery_gossip.cli.local_status import listen_for_status

    needs_backlogs = expected.max_backlog is not None or expected.max_wait is not None
    return listen_for_status(
        app,
        expected.queues,
        wait,
        needs_backlogs=needs_backlogs,
        tasks=tasks,
        rules=given["rules"],
        with_exact_age=given["with_exact_age"],
        with_balance=given["with_balance"],
        with_failures=given["with_failures"],
        find=given["find"],
        hostnames=given["details"],
    )


def _ask(wait: float | None, tasks: "Sequence[str] | None", given: "Mapping[str, Any]") -> "Answer":
    from celery_gossip.cli.dashboard import ask_dashboard, authorization, checked_url

    try:
        url, header = checked_url(given["server"]), authorization(given["server_auth"], os.environ)
    except GossipError as exc:
        raise click.UsageError(str(exc)) from exc
    extras = {name: given[name] for name in ("with_balance", "with_failures", "find")}
    return ask_dashboard(url, header, given["server_timeout"], wait, tasks, hostnames=given["details"], **extras)


def _print(answer: "Answer", results: "Sequence[Result]", *, as_json: bool) -> None:
    from celery_gossip.console.check_text import check_json, check_lines
    from celery_gossip.console.found import found_json
    from celery_gossip.console.json_object import balance_json, failures_json, tasks_json
    from celery_gossip.console.status import report_text
    from celery_gossip.console.worker_detail import details_json

    report = answer.report
    if as_json:
        objects = answer.objects if report.tasks is None else {**answer.objects, "tasks": tasks_json(report.tasks)}
        if report.found is not None:
            objects = {**objects, "found": found_json(report.found)}
        if report.balance is not None:
            objects = {**objects, "balance": balance_json(report.balance)}
        if report.failures is not None:
            objects = {**objects, "failures": failures_json(report.failures)}
        if report.details is not None:
            objects = {**objects, "details": details_json(report.details)}
        click.echo(json.dumps({**objects, "check": check_json(report, results)}))
    else:
        parts = [report_text(report)] if report.workers or report.findings or report.beats else []
        # The results for the listener and its workers are in the report's text or on stderr.
        asked = [result for result in results if result.check not in ("listener", "workers")]
        parts += ["\n".join(check_lines(asked))] if asked else []
        if parts:
            click.echo("\n\n".join(parts))
    for line in answer.errors:
        click.echo(line, err=True)
