"""Fixtures of the dashboard in memory, and a check that each test module ends the threads that it started."""

import threading
from collections.abc import Iterator

import pytest

from tests.support import eventually
from tests.unit.build import a_check, a_series
from tests.web.served import Served


@pytest.fixture(autouse=True, scope="module")
def no_thread_is_left() -> Iterator[None]:
    """Check for threads that would fail tests of other folders, which look for them."""
    yield
    eventually(assert_no_threads)


def assert_no_threads() -> None:
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("celery-gossip")] == []


@pytest.fixture
def served() -> Iterator[Served]:
    """A dashboard without authentication, of one worker that serves two queues."""
    served = Served()
    served.fleet.report(checks=(a_check("mail"), a_check("a/b")), series=(a_series("mail", age=0.5),))
    yield served
    served.close()


@pytest.fixture
def authenticated() -> Iterator[Served]:
    """A dashboard that needs a password."""
    served = Served(has_auth=True)
    yield served
    served.close()


@pytest.fixture
def controlled() -> Iterator[Served]:
    """A dashboard with control over three workers, of which two serve the queue "mail"."""
    served = Served(has_control=True)
    served.fleet.report("celery@web1", checks=(a_check("mail"),))
    served.fleet.report("celery@web2", checks=(a_check("mail"), a_check("other")))
    served.fleet.report("celery@web3", checks=(a_check("other"),))
    yield served
    served.close()
