"""Build a listener for a command, and explain why no worker reports.

Called by the commands on the main thread.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from celery_gossip.errors import GossipError

if TYPE_CHECKING:
    from celery_gossip.diagnosis.rule_settings import RuleSettings
    from celery_gossip.listener.listener import Listener

__all__ = ["open_listener", "why_no_report"]


def open_listener(
    app: Any, queues: Sequence[str] = (), rules: "RuleSettings | None" = None, error_prefix: str = ""
) -> "Listener":
    """Return a listener for an app; it is not started.

    With `error_prefix`, which begins every error, `app` is a function that returns the app. Raises ClickException with
    one line where the app, its options or its broker cannot be used.
    """
    from celery_gossip.listener.listener import Listener
    from celery_gossip.options import redact_passwords

    try:
        return Listener(app() if error_prefix else app, queues=queues, rules=rules)
    except GossipError as exc:
        raise click.ClickException(f"{error_prefix}{exc}") from exc
    except Exception as exc:  # Kombu's, for an unknown scheme or a library that is not installed; Celery's
        reason = redact_passwords(f"{type(exc).__name__}: {' '.join(map(str, exc.args))}")
        raise click.ClickException(f"{error_prefix or 'the broker of this app cannot be used: '}{reason}") from exc


def why_no_report(listener: "Listener") -> str:
    """Return in one line why no worker reports to this listener, and what to check."""
    from celery_gossip.listener.snapshot import describe_unreachable

    if listener.error is not None or listener.connected_at is None:
        return describe_unreachable(listener)
    return (
        f"no worker reports on exchange {listener.options.exchange!r} of {listener.uri}. Check that one runs, that it "
        "uses this broker, and that gossip is installed in it: `celery_gossip.install(app)`. A worker with a long "
        "gossip_interval needs --wait SECONDS."
    )
