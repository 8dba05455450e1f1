"""What the suites share: waiting, brokers, worker processes and the project that they run."""

from tests.support.waiting import eventually

__all__ = ["eventually"]
