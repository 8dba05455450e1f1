"""Tasks beside those of the project, for tests of shutdowns; imported under GOSSIP_TEST_IMPORT."""

import time

from tests.support.project import app


@app.task(name="tests.support.project.nap_late", acks_late=True)
def nap_late(seconds: float) -> None:
    """Run for this long, and acknowledge afterwards."""
    time.sleep(seconds)


@app.task(name="tests.support.project.fail_after")
def fail_after(seconds: float) -> None:
    """Run for this long, and fail."""
    time.sleep(seconds)
    raise LookupError("as planned")
