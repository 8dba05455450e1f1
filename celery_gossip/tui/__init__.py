"""`celery gossip top`: a dashboard in the terminal. Needs Textual, the extra `top`."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator

from celery_gossip.foreground import ENDING, handlers_kept
from celery_gossip.log import logger
from celery_gossip.tui.app import Top
from celery_gossip.tui.frame import Source

__all__ = ["Source", "run_top"]

_SIGNALS = (*ENDING, signal.SIGHUP)  #: the event loop leaves their defaults behind


def run_top(source: Source) -> None:
    """Show the source until the user quits; blocks, on the main thread. SystemExit if the dashboard failed."""
    if os.environ.get("TERM") == "dumb":
        os.environ["NO_COLOR"] = "1"
    top = _Signalled(source)
    with _silence(), handlers_kept(_SIGNALS):
        top.run()
    if top.return_code:
        sys.exit(top.return_code)


class _Signalled(Top):
    """Leaves the terminal as it was, whichever signal ends it."""

    def on_mount(self) -> None:
        super().on_mount()
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self.exit)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep log lines off the screen: handlers of our own logger stay, those of the root do not hear it."""
    propagates, last_resort, nothing = logger.propagate, logging.lastResort, logging.NullHandler()
    logger.propagate, logging.lastResort = False, nothing
    logger.addHandler(nothing)
    try:
        yield
    finally:
        logger.removeHandler(nothing)
        logger.propagate, logging.lastResort = propagates, last_resort
