"""install() as a user calls it, for `mypy tests/typing`: each call with a wrong name or type must be an error.

mypy in strict mode reports a `type: ignore` comment that hides no error.
"""

from celery import Celery

from celery_gossip import install


def valid(app: Celery) -> None:
    install(app)
    install(
        app,
        interval=0.5,
        exchange="gossip",
        broker_url=None,
        active_limit=10,
        health_file="/run/%n",
        secret=["a key of 16 chars", "another of 16 chars"],
        secret_file=None,
        refuse_unverified=True,
        stacks="off",
        failure_details="message",
        enabled=False,
    )


def invalid(app: Celery) -> None:
    install(app, intervall=1)  # type: ignore[arg-type]
    install(app, interval="1")  # type: ignore[arg-type]
    install(app, enabled="no")  # type: ignore[arg-type]
    install(app, stacks="on")  # type: ignore[arg-type]
    install(app, failure_details="all")  # type: ignore[arg-type]
    install(app, 1.0)  # type: ignore[call-arg]
