"""The stack of a blocked event loop: sampled late, reported rarely, and without anything but names and lines."""

import sys
import threading
from collections.abc import Iterator

import pytest

from celery_gossip.wire.messages import MAX_FRAMES
from celery_gossip.worker.stack_sampler import StackSampler

HERE = __name__


class Blocked:
    """A thread that plays the event loop: it notes itself, then blocks in a function of this module."""

    def __init__(self, sampler: StackSampler, depth: int = 0) -> None:
        self._sampler = sampler
        self._depth = depth
        self._is_blocked = threading.Event()
        self._go_on = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self._sampler.note_loop_thread()
        self._sink(self._depth)

    def _sink(self, depth: int) -> None:
        if depth:
            self._sink(depth - 1)
        else:
            self._is_blocked.set()
            self._go_on.wait(30)

    def __enter__(self) -> "Blocked":
        self.thread.start()
        assert self._is_blocked.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._go_on.set()
        self.thread.join(10)


@pytest.fixture
def sampler() -> StackSampler:
    return StackSampler(is_enabled=True)


@pytest.fixture
def blocked(sampler: StackSampler) -> Iterator[Blocked]:
    with Blocked(sampler) as blocked:
        yield blocked


def names(stack: tuple[str, ...]) -> list[str]:
    return [frame.rpartition(":")[0] for frame in stack]


@pytest.mark.usefixtures("blocked")
def test_frames_are_module_function_and_line_the_innermost_first(sampler: StackSampler) -> None:
    stack = sampler.read(5.0)
    function = "Blocked._sink" if sys.version_info >= (3, 11) else "_sink"
    assert f"{HERE}:{function}" in names(stack)
    assert stack[0].startswith("threading:") and all(frame.rpartition(":")[2].isdigit() for frame in stack)
    assert not any("/" in frame or ".py" in frame for frame in stack)


@pytest.mark.usefixtures("blocked")
def test_a_short_stall_is_not_sampled(sampler: StackSampler) -> None:
    assert sampler.read(4.9) == ()


def test_nothing_is_sampled_where_it_is_off_or_no_tick_came_yet(sampler: StackSampler) -> None:
    assert sampler.read(60.0) == ()
    off = StackSampler(is_enabled=False)
    off.note_loop_thread()
    assert off.read(60.0) == ()


def test_a_thread_that_has_ended_has_no_stack(sampler: StackSampler) -> None:
    with Blocked(sampler):
        pass
    assert sampler.read(60.0) == ()


@pytest.mark.usefixtures("blocked")
def test_a_stack_is_reported_three_times_and_then_every_tenth_time(sampler: StackSampler) -> None:
    reported = [number for number in range(1, 31) if sampler.read(5.0 + number)]
    assert reported == [1, 2, 3, 10, 20, 30]


@pytest.mark.usefixtures("blocked")
def test_another_stall_is_reported_again(sampler: StackSampler) -> None:
    first = [sampler.read(6.0) for _ in range(5)]
    with Blocked(sampler, depth=3):
        second = [sampler.read(6.0) for _ in range(5)]
    assert [bool(stack) for stack in first] == [bool(stack) for stack in second] == [True] * 3 + [False] * 2
    assert len(second[0]) == len(first[0]) + 3


def test_a_deep_stack_is_cut_at_its_outer_end(sampler: StackSampler) -> None:
    with Blocked(sampler, depth=100):
        stack = sampler.read(6.0)
    assert len(stack) == MAX_FRAMES and stack[0].startswith("threading:")


def test_names_that_are_not_printable_are_sanitized(sampler: StackSampler) -> None:
    go_on, is_blocked = threading.Event(), threading.Event()
    code = "def odd():\n    is_blocked.set()\n    go_on.wait(30)"
    space = {"__name__": "a\nb" + "c" * 300, "go_on": go_on, "is_blocked": is_blocked}
    exec(code, space)

    def run() -> None:
        sampler.note_loop_thread()
        space["odd"]()  # type: ignore[operator]

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert is_blocked.wait(10)
    stack = sampler.read(6.0)
    go_on.set()
    thread.join(10)
    (odd,) = [frame for frame in stack if frame.startswith("a\\nb")]
    assert odd.isprintable() and len(odd) == 255
