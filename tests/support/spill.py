"""Tasks that carry what nobody else may see, for the project that imports this under GOSSIP_TEST_IMPORT."""

import os
import time
from typing import Any

from celery import Task, signals

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

    @app.task(acks_late=True, soft_time_limit=300, time_limit=310)
    def hold(*args: Any, **kwargs: Any) -> None:
        """Run for long, with secrets in its variables."""
        local = [f"{CANARY}-local", args, kwargs]
        time.sleep(60)
        assert local

    @signals.task_received.connect
    def block(request: Any = None, **_: Any) -> None:
        """Block the event loop for some seconds, with secrets in a variable."""
        local = {f"{CANARY}-variable": request}
        if request.task.name == "spilled.keep" and not os.path.exists("blocked"):
            open("blocked", "w").close()
            time.sleep(9)
        assert local
