"""A task that fails with a secret everywhere, for the project that imports this under GOSSIP_TEST_IMPORT."""

import os
from typing import Any

from tests.support.spill import CANARY

MESSAGE = "the shelf is empty"  #: of the exception


class OutOfStock(LookupError):
    """Its message holds what the setting asks for."""


if os.environ.get("GOSSIP_TEST_IMPORT") == __name__:
    from tests.support.project import app

    @app.task
    def take(*args: Any, **kwargs: Any) -> None:
        secret = f"{CANARY}-local"
        _take(secret, *args)

    def _take(*items: Any) -> None:
        raise OutOfStock(MESSAGE)
