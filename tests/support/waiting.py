"""Wait for an assertion instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(assertion: Callable[[], T], timeout: float = 10.0, every: float = 0.05) -> T:
    """Call `assertion` until it raises no AssertionError; after `timeout` seconds its last one is raised."""
    give_up_at = time.monotonic() + timeout
    while True:
        try:
            return assertion()
        except AssertionError:
            if time.monotonic() > give_up_at:
                raise
        time.sleep(every)
