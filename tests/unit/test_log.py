"""The log says each kind of thing once in a while, and how often it kept silent."""

import logging

import pytest

from celery_gossip.log import LimitedLogger
from tests.unit.build import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(clock: FakeClock) -> LimitedLogger:
    return LimitedLogger(period=60.0, clock=clock)


def test_a_kind_is_written_once_per_period(
    log: LimitedLogger, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(121):
        log.warning("publish", "cannot deliver to %s", "here")
        clock.advance(1)
    assert caplog.messages == [
        "cannot deliver to here",
        "cannot deliver to here (59 more like this were not logged)",
        "cannot deliver to here (59 more like this were not logged)",
    ]


def test_kinds_are_limited_apart(log: LimitedLogger, caplog: pytest.LogCaptureFixture) -> None:
    for kind in ("a", "b", "a", "b"):
        log.warning(kind, "a line of %s", kind)
    assert caplog.messages == ["a line of a", "a line of b"]


def test_a_quiet_period_leaves_nothing_to_say(
    log: LimitedLogger, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    log.warning("a", "line")
    clock.advance(3600)
    log.warning("a", "line")
    assert caplog.messages == ["line", "line"]


def test_levels_and_tracebacks_are_kept(log: LimitedLogger, caplog: pytest.LogCaptureFixture) -> None:
    log.warning("a", "careful")
    log.error("b", "broken", exc_info=ValueError("why"))
    assert [(record.levelno, record.name) for record in caplog.records] == [
        (logging.WARNING, "celery_gossip"),
        (logging.ERROR, "celery_gossip"),
    ]
    assert "ValueError: why" in caplog.text


def test_the_first_line_is_written_whatever_the_clock_says(caplog: pytest.LogCaptureFixture) -> None:
    LimitedLogger(clock=lambda: 0.0).warning("a", "line")
    assert caplog.messages == ["line"]


def test_a_percent_sign_in_an_argument_is_no_format(
    log: LimitedLogger, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        log.warning("a", "raised %r", "100 %s %d")
    clock.advance(60)
    log.warning("a", "raised %r", "100 %s %d")
    assert caplog.messages[-1] == "raised '100 %s %d' (2 more like this were not logged)"


def test_a_filter_or_handler_that_raises_hurts_nobody(log: LimitedLogger) -> None:
    def blow_up(record: logging.LogRecord) -> bool:
        raise OSError("no log for you")

    logger = logging.getLogger("celery_gossip")
    logger.addFilter(blow_up)
    try:
        log.warning("a", "line")
        log.error("b", "line", exc_info=OSError())
    finally:
        logger.removeFilter(blow_up)
