"""Tasks of the workers that both monitors watch, for the project that imports this under GOSSIP_TEST_IMPORT."""

import os
from typing import Any

MESSAGE = "order 41: the shelf is empty"  #: of the exception


class OutOfStock(LookupError):
    """An exception with a message."""


if os.environ.get("GOSSIP_TEST_IMPORT") == __name__:
    from tests.support.project import app

    @app.task
    def reserve(order: int) -> None:
        """Fail."""
        _look_for(order)

    def _look_for(order: int) -> None:
        raise OutOfStock(MESSAGE)

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(bind=True)
    def begin(self: Any, queue: str) -> None:
        """Send a task to this queue."""
        add.apply_async((1, 2), queue=queue)
