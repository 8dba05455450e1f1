"""Celery's own clock is `time.time`: GOSSIP_TEST_IMPORT=tests.support.own_clock, for a process with a wrong clock.

`datetime.now()` reads the clock of the system; see tests/support/wrong_clock.
"""

import time
from datetime import datetime

from tests.support.project import app

app.now = lambda: datetime.fromtimestamp(time.time(), app.timezone)  # type: ignore[method-assign]
