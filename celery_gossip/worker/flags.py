"""The worker's command line flags. Main thread.

`install()` adds them to its app. For apps that enable gossip in another way, they are added when `celery worker` parses
its arguments.
"""

from typing import Any

import click

from celery_gossip.worker import _compat as compat

__all__ = ["add_flags", "offer_flags", "worker_flags"]

_GROUP = "Queue Gossip"
_STEP = ("celery_gossip.worker.bootstep", "GossipStep")


def worker_flags() -> list[click.Option]:
    """Return new options: --gossip-interval, --gossip-health-file and --without-queue-gossip."""
    return [
        compat.grouped_option(
            "--gossip-interval",
            _GROUP,
            type=float,
            metavar="SECONDS",
            help="Seconds between two reports of the queues.",
        ),
        compat.grouped_option(
            "--gossip-health-file",
            _GROUP,
            metavar="PATH",
            help="Keep this file up to date while the worker can consume; %n, %h and %d as in --pidfile.",
        ),
        compat.grouped_option(
            "--without-queue-gossip",
            _GROUP,
            is_flag=True,
            default=False,
            help="Do not report the state of this worker's queues.",
        ),
    ]


def add_flags(app: Any) -> None:
    """Add the flags to the workers of this app, in the way that Celery documents."""
    for option in worker_flags():
        app.user_options["worker"].add(option)


def offer_flags() -> None:
    """Let `celery worker` accept the flags for each app that has the bootstep, however it adds it.

    Called when the `celery` program loads its commands, which is before it loads the app. Therefore the app is examined
    only when the command is asked for its parameters. Does nothing outside that program.
    """
    command = compat.worker_command()
    if command is None or hasattr(command, "offers_gossip_flags"):
        return
    get_params, flags = command.get_params, worker_flags()

    def get_all_params(ctx: click.Context) -> list[click.Parameter]:
        params = get_params(ctx)
        try:
            names = {param.name for param in params}
            if _has_step(ctx.obj.app):
                params = [*params, *(flag for flag in flags if flag.name not in names)]
        except Exception:  # the app's configuration cannot be read: the worker reports that
            pass
        return params

    command.get_params = get_all_params  # type: ignore[method-assign]
    command.offers_gossip_flags = True  # type: ignore[attr-defined]


def _has_step(app: Any) -> bool:
    named = app.conf.get("worker_bootsteps") or ()
    return any(map(_is_step, (*app.steps["consumer"], *((named,) if isinstance(named, str) else named))))


def _is_step(step: Any) -> bool:
    """Return True for GossipStep and its subclasses, and for a path to one."""
    if isinstance(step, str):
        step = compat.find(step if ":" in step else ":".join(step.rsplit(".", 1)))
    return any((base.__module__, base.__name__) == _STEP for base in getattr(step, "__mro__", ()))
