"""Tasks that carry what nobody else may see, for the project that imports this under GOSSIP_TEST_IMPORT."""

import os
from typing import Any

from celery import Task

CANARY = "canary"  #: in everything that must not be seen


class Indiscreet(Exception):
    """Its message holds what it must not say."""


if os.environ.get("GOSSIP_TEST_IMPORT") == __name__:
    from tests.support.project import app

    @app.task(ignore_result=False)
    def keep(*args: Any, **kwargs: Any) -> Any:
        """Give back what it was given."""
        return {"result": f"{CANARY}-result", "args": args}

    @app.task
    def blurt(*args: Any, **kwargs: Any) -> None:
        raise Indiscreet(f"{CANARY}-message", *args)

    @app.task(bind=True, max_retries=1, default_retry_delay=0.1)
    def again(self: Task, *args: Any, **kwargs: Any) -> None:
        raise self.retry(exc=Indiscreet(f"{CANARY}-retry"))
