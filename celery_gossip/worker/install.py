"""install(): adds the bootstep and the worker's flags to an app. Called when the user's app is created; any thread."""

from collections.abc import Sequence
from typing import Any, NoReturn

import click
from msgspec import UNSET, UnsetType

from celery_gossip.beat.hook import report_beat
from celery_gossip.log import logger
from celery_gossip.options import FailureDetails, Stacks, build_options, install_keywords, store_install_keywords
from celery_gossip.worker.bootstep import GossipStep
from celery_gossip.worker.count_sent import count_sent_tasks
from celery_gossip.worker.flags import add_flags
from celery_gossip.worker.sent_at import stamp_tasks

__all__ = ["install"]


def install(  # noqa: PLR0913 - one keyword for each option
    app: Any,
    *,
    interval: float | UnsetType = UNSET,
    exchange: str | UnsetType = UNSET,
    broker_url: str | UnsetType | None = UNSET,
    active_limit: int | UnsetType = UNSET,
    health_file: str | UnsetType | None = UNSET,
    secret: str | Sequence[str] | UnsetType | None = UNSET,
    secret_file: str | UnsetType | None = UNSET,
    refuse_unverified: bool | UnsetType = UNSET,
    stacks: Stacks | UnsetType = UNSET,
    failure_details: FailureDetails | UnsetType = UNSET,
    release: str | UnsetType | None = UNSET,
    count_sent: bool | UnsetType = UNSET,
    beat: bool | UnsetType = UNSET,
    beat_health_file: str | UnsetType | None = UNSET,
    enabled: bool | UnsetType = UNSET,
    **unknown: NoReturn,
) -> None:
    """Add the bootstep and the worker's flags to this Celery app, so that its workers report their queues.

    Its beat reports its schedule, too, unless `beat` is False.

    Also sets the header `gossip_sent_at` on each task that this process sends, so that workers can measure how long
    tasks wait, and counts these tasks with `count_sent`. Therefore call it in processes that send tasks, too.

    The options are the fields of GossipOptions. They override settings; the worker's flags override them. An option
    that is not given (UNSET) keeps its setting or default. A second call for the same app changes nothing.

    Raises InvalidOption for an unknown option or an invalid value, except inside the `celery` program: there the worker
    refuses to start with one line, while an exception would cause a traceback about loading the app.
    """
    options = _given(
        interval=interval,
        exchange=exchange,
        broker_url=broker_url,
        active_limit=active_limit,
        health_file=health_file,
        secret=secret,
        secret_file=secret_file,
        refuse_unverified=refuse_unverified,
        stacks=stacks,
        failure_details=failure_details,
        release=release,
        count_sent=count_sent,
        beat=beat,
        beat_health_file=beat_health_file,
        enabled=enabled,
        **unknown,  # of type NoReturn: type checkers refuse any, and build_options() names the nearest known option
    )
    app = getattr(app, "_get_current_object", lambda: app)()  # a Proxy, such as celery.current_app
    if not _is_celery_program():
        build_options(options)
    if not store_install_keywords(app, options):
        if options and options != install_keywords(app):
            logger.warning("celery-gossip: install() was called before; these options are ignored: %s", list(options))
        return
    app.steps["consumer"].add(GossipStep)
    stamp_tasks()
    count_sent_tasks(app)
    report_beat(app)
    add_flags(app)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not UNSET}


def _is_celery_program() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and context.find_root().command.name == "celery"
