"""`celery gossip top`: a dashboard in the terminal. Needs Textual, the extra `top`."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator

from celery_gossip.log import logger
from celery_gossip.process import EXIT_SIGNALS, restore_signal_handlers
from celery_gossip.tui.app import TopApp
from celery_gossip.tui.control_session import ControlSession, describe_activity, os_user
from celery_gossip.tui.snapshot import Source

__all__ = ["ControlSession", "Source", "describe_activity", "os_user", "run_top"]

_SIGNALS = (*EXIT_SIGNALS, signal.SIGHUP)  #: the event loop resets their handlers to the defaults when it ends


def run_top(source: Source, session: ControlSession | None = None) -> None:
    """Show the source until the user quits. Blocks the main thread. Raise SystemExit if the dashboard failed.

    With a session the user can send the commands that it allows.
    """
    if os.environ.get("TERM") == "dumb":
        os.environ["NO_COLOR"] = "1"
    top = _TopAppWithSignals(source, session)
    with _logging_suppressed(), restore_signal_handlers(_SIGNALS):
        top.run()
    if top.return_code:
        sys.exit(top.return_code)


class _TopAppWithSignals(TopApp):
    """Exit through Textual on a signal, so that the terminal is restored."""

    def on_mount(self) -> None:
        super().on_mount()
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self.exit)


@contextlib.contextmanager
def _logging_suppressed() -> Iterator[None]:
    """Keep log lines off the screen: this package's logger keeps its handlers and does not propagate to the root."""
    propagates, last_resort, null_handler = logger.propagate, logging.lastResort, logging.NullHandler()
    logger.propagate, logging.lastResort = False, null_handler
    logger.addHandler(null_handler)
    try:
        yield
    finally:
        logger.removeHandler(null_handler)
        logger.propagate, logging.lastResort = propagates, last_resort
