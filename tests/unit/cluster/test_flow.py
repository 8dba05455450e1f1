"""The window of a queue: each input is bounded to the side on which fewer tasks are missing."""

from collections.abc import Callable

import pytest

from celery_gossip.cluster.flow import MARGIN, Conditions, QueueFlow
from celery_gossip.cluster.senders import SentIncrease

DELAY = 28.0
OPEN = 30  #: seconds after which a window is open


class Scene:
    """A flow that is read every 2 s and stepped every second."""

    def __init__(self) -> None:
        self.flow = QueueFlow()
        self.now = 1000.0
        self.waiting = 0
        self.is_missing = False
        self.conditions = Conditions(DELAY)
        self.elsewhere = 0
        self.most = 0
        self.run(OPEN)

    def run(self, seconds: int) -> "Scene":
        for _ in range(seconds):
            self.now += 1.0
            if self.now % 2 == 0:
                self.flow.add_reading(self.waiting, self.now, is_missing=self.is_missing)
            self.flow.step(self.now, self.conditions, self.elsewhere)
            self.most = max(self.most, self.flow.missing or 0)
        return self

    def send(self, count: int, period: float = 1.0, recent: int | None = None) -> "Scene":
        recent = count if recent is None else recent
        self.flow.add_sent(SentIncrease("mail", "shop.pack", False, count, recent, period), self.now)
        return self

    def receive(self, count: int) -> "Scene":
        self.flow.received += count
        return self


def test_what_neither_waits_nor_is_received_is_missing_after_the_delay() -> None:
    scene = Scene().send(100).run(int(MARGIN + DELAY))
    assert scene.most == 0
    scene.run(20)
    assert (scene.flow.missing, scene.flow.window_sent, scene.flow.reason) == (100, 100, "")
    assert scene.flow.growing_at is not None and scene.now - scene.flow.growing_at < 20


@pytest.mark.parametrize("after", [0, 5, 20, 30])
def test_what_is_received_or_waits_in_time_is_not_missing(after: int) -> None:
    scene = Scene().send(100).run(after).receive(100).run(100)
    assert scene.most == 0
    scene = Scene().send(100)
    scene.waiting = 100
    assert scene.run(100).most == 0


def test_what_may_have_been_sent_before_the_window_is_not_counted() -> None:
    assert Scene().send(100, period=OPEN).run(100).most == 0
    assert Scene().send(100, recent=0).run(100).most == 0
    scene = Scene().send(100, period=60.0, recent=100).run(100)
    assert (scene.most, scene.flow.sent) == (0, 100)


def test_messages_that_wait_when_the_window_opens_and_are_received_later_are_not_missing() -> None:
    scene = Scene()
    scene.flow.reset("", scene.now)
    scene.waiting = 500
    scene.run(OPEN)
    scene.waiting = 0
    scene.run(3).receive(500).send(10).receive(10).run(100)
    assert scene.most == 0


def test_messages_that_wait_when_the_window_opens_may_be_missing_later() -> None:
    scene = Scene()
    scene.flow.reset("", scene.now)
    scene.waiting = 500
    scene.run(OPEN)
    scene.waiting = 0
    assert scene.run(60).flow.missing == 500


def test_what_was_received_while_the_waiting_messages_were_read_is_not_missing() -> None:
    """Their number is older than its arrival: it may contain what is reported to be received at the same time."""

    def seconds_until_open() -> int:
        scene, seconds = Scene(), 0
        scene.flow.reset("", scene.now)
        while scene.flow.window_since is None:
            scene.run(1)
            seconds += 1
        return seconds

    scene = Scene()
    scene.flow.reset("", scene.now)
    scene.waiting = 500
    scene.run(seconds_until_open() - 1).receive(500).run(1)
    assert scene.flow.window_since == scene.now
    scene.waiting = 0
    assert scene.run(120).most == 0


def test_what_a_lost_worker_received_since_the_latest_reading_is_not_missing() -> None:
    scene = Scene()
    scene.waiting = 100
    scene.run(2 - int(scene.now) % 2)
    scene.waiting = 0  # a worker has received them, and dies before it reports that
    scene.flow.reset("the worker w1 was lost", scene.now)
    assert scene.run(120).most == 0


def test_a_reading_that_is_not_later_than_the_report_is_not_used() -> None:
    """Messages that were sent just before may not be in it yet."""
    scene = Scene().send(100)
    scene.run(3)  # the number of waiting messages is still 0
    scene.waiting = 100
    assert scene.run(100).most == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda scene: setattr(scene, "conditions", Conditions(DELAY, allowance=100)),
        lambda scene: setattr(scene, "elsewhere", 100),
        lambda scene: setattr(scene, "conditions", Conditions(DELAY, problem="a worker is suspect")),
        lambda scene: scene.flow.reset("a worker was lost", scene.now),
    ],
)
def test_nothing_is_missing_that_may_be_elsewhere(spoil: Callable[[Scene], None]) -> None:
    scene = Scene().send(100)
    spoil(scene)
    assert scene.run(100).most == 0


def test_with_a_problem_nothing_is_known_until_everything_is_reported_again() -> None:
    scene = Scene().send(100).run(60)
    assert scene.flow.missing == 100
    scene.conditions = Conditions(DELAY, problem="the worker w1 is suspect")
    scene.run(1)
    assert (scene.flow.missing, scene.flow.reason) == (None, "the worker w1 is suspect")
    scene.conditions = Conditions(DELAY)
    scene.run(int(DELAY) - 1)
    assert scene.flow.missing is None
    assert scene.run(3).flow.missing == 100


def test_without_a_recent_reading_nothing_is_known() -> None:
    scene = Scene().run(60)
    scene.flow.step(scene.now + 11.0, scene.conditions, 0)
    assert scene.flow.missing is None and "waiting" in scene.flow.reason


def test_a_queue_that_does_not_exist_is_read_once_a_minute() -> None:
    flow, now = QueueFlow(), 0.0
    for second in range(300):
        now = float(second)
        if second % 60 == 0:
            flow.add_reading(0, now, is_missing=True)
        if second % 10 == 0 and second > 70:
            flow.add_sent(SentIncrease("lost", "shop.pack", False, 5, 5, 10.0), now)
        flow.step(now, Conditions(20.0), 0)
    assert flow.is_missing_queue and 40 <= (flow.missing or 0) <= 115


def test_a_window_is_replaced_by_a_younger_one() -> None:
    scene = Scene().send(100).run(400)
    assert scene.flow.missing == 100
    scene.run(400)
    assert scene.flow.missing == 0
    assert scene.flow.window_since is not None and scene.now - scene.flow.window_since < 620


def test_memory_is_bounded_while_no_reading_arrives() -> None:
    flow = QueueFlow()
    flow.add_reading(0, 0.0, is_missing=True)
    for second in range(10_000):
        flow.step(float(second), Conditions(20.0), 0)
    assert len(flow._windows) <= 2 and all(len(window._checkpoints) <= 60 for window in flow._windows)
