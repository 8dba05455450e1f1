"""Message and traceback of an exception: bounded, without paths and values, and without running a user's code."""

import sys
import traceback
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo

from celery_gossip.options import FailureDetails
from celery_gossip.wire.messages import MAX_MESSAGE, MAX_NAME, MAX_TRACEBACK_FRAMES
from celery_gossip.worker import failure_details
from celery_gossip.worker.failure_details import describe_failure

HERE = __name__


def info_of(raising: Any) -> Any:
    """Return billiard's description of what this raises."""
    try:
        raising()
    except BaseException:
        return ExceptionInfo()
    raise AssertionError("nothing was raised")


def raising(exception: BaseException) -> Any:
    def fail() -> None:
        secret = "a value that must not be reported"  # noqa: F841 - a local variable of a frame
        raise exception

    return info_of(fail)


def message_of(exc_info: Any, exception: str = "ValueError") -> str | None:
    return describe_failure(exc_info, exception, "message")[0]


def frames_of(exc_info: Any) -> tuple[str, ...]:
    return describe_failure(exc_info, "ValueError", "traceback")[1]


class Talkative(Exception):
    calls = 0

    def __str__(self) -> str:
        Talkative.calls += 1
        return "what it says"


@pytest.mark.parametrize("details", ["off", "message", "traceback"])
def test_only_what_is_asked_for_is_read(details: FailureDetails) -> None:
    message, frames, own = describe_failure(raising(ValueError("no stock")), "ValueError", details)
    assert message == (None if details == "off" else "no stock")
    assert bool(frames) is (own is not None) is (details == "traceback")


def test_a_message_is_one_line_and_short() -> None:
    assert message_of(raising(ValueError("a\n  b\t\x1b[2Jc\ud800"))) == r"a b \x1b[2Jc\ud800"
    assert message_of(raising(ValueError("x" * 10_000))) == "x" * MAX_MESSAGE
    assert len(message_of(raising(ValueError("\x00" * 10_000))) or "") == MAX_MESSAGE


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (ValueError(), ""),
        (ValueError("a: b: c"), "a: b: c"),
        (ValueError("Traceback: none"), "Traceback: none"),
        (KeyError("k"), "'k'"),
        (OSError(2, "No such file", "/srv/x"), "[Errno 2] No such file: '/srv/x'"),
        (SyntaxError("bad", ("/srv/x.py", 3, 1, "a = secret")), "bad"),
    ],
)
def test_the_message_is_what_python_prints_after_the_class(exception: BaseException, expected: str) -> None:
    assert message_of(raising(exception)) == expected


def test_a_message_of_several_lines_is_whole() -> None:
    assert message_of(raising(ValueError("(1062)\n[SQL: INSERT]\n"))) == "(1062) [SQL: INSERT]"


def test_the_message_is_that_of_the_last_exception_of_a_chain() -> None:
    def fail() -> None:
        try:
            raise KeyError("first")
        except KeyError as exc:
            raise ValueError("second") from exc

    assert message_of(info_of(fail)) == "second"


def test_no_code_of_the_exception_runs_while_its_message_is_read() -> None:
    exc_info = raising(Talkative())
    before = Talkative.calls
    assert message_of(exc_info) == "what it says" and Talkative.calls == before
    exc_info.traceback = None  # nothing to read it from
    assert message_of(exc_info) is None and Talkative.calls == before


def test_a_plain_exception_is_read_without_a_text() -> None:
    exc_info = SimpleNamespace(traceback=None, exception=ValueError("plain"), tb=None)
    assert describe_failure(exc_info, "ValueError", "traceback") == ("plain", (), None)
    assert message_of(SimpleNamespace(exception=ValueError(Talkative()))) is None


def test_arguments_in_celerys_own_message_are_removed() -> None:
    text = "Can't retry shop.pay[id-1] args:('secret',) kwargs:{}"
    assert message_of(raising(ValueError(text)), "MaxRetriesExceededError") == "Can't retry shop.pay[id-1]"
    assert message_of(raising(ValueError("a args: b"))) == "a args: b"


@pytest.mark.parametrize(
    "exc_info",
    [
        None,
        "text",
        object(),
        SimpleNamespace(traceback=7, exception=7, tb=7),
        SimpleNamespace(traceback="no header", exception=None, tb=SimpleNamespace()),
        SimpleNamespace(traceback="Traceback (most recent call last):\n", exception=None, tb=None),
        SimpleNamespace(traceback='Traceback (most recent call last):\n  File "/a", line 1, in b\n', tb=None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_traceback_costs_the_details_alone(exc_info: Any) -> None:
    assert describe_failure(exc_info, "ValueError", "traceback") == (None, (), None)


def test_a_frame_is_a_module_a_function_and_a_line() -> None:
    exc_info = raising(ValueError("x"))
    frames = frames_of(exc_info)
    assert [frame.rpartition(":")[0].split(":")[0] for frame in frames] == [HERE, HERE]
    assert frames[-1].split(":")[1].endswith("fail")
    assert "/" not in "".join(frames) and "secret" not in "".join(frames)
    assert "raise exception" in exc_info.traceback  # the source line is in the text that is read


def test_the_code_line_is_the_innermost_frame_outside_of_libraries() -> None:
    def fail() -> None:
        import json

        json.loads("{")

    _, frames, own = describe_failure(info_of(fail), "ValueError", "traceback")
    assert own is not None and frames[own].split(":")[0] == HERE
    assert own < len(frames) - 1 and frames[-1].startswith("json.")


def test_frames_of_celery_around_the_task_are_left_out() -> None:
    plumbing = SimpleNamespace(
        tb_lineno=9,
        tb_next=None,
        tb_frame=SimpleNamespace(
            f_globals={"__name__": "celery.app.trace"}, f_code=SimpleNamespace(co_name="trace_task", co_filename="x.py")
        ),
    )
    inner = SimpleNamespace(
        tb_lineno=41,
        tb_next=None,
        tb_frame=SimpleNamespace(
            f_globals={"__name__": "shop.tasks"},
            f_code=SimpleNamespace(co_name="pay", co_filename="/srv/shop/tasks.py"),
        ),
    )
    plumbing.tb_next = inner
    exc_info = SimpleNamespace(traceback=None, exception=None, tb=plumbing)
    assert describe_failure(exc_info, "X", "traceback") == (None, ("shop.tasks:pay:41",), 0)


@pytest.mark.parametrize("name", ["/srv/app/shop.py", "C:\\app\\shop.py"])
def test_a_module_that_was_loaded_under_a_path_has_none(name: str) -> None:
    frame = SimpleNamespace(f_globals={"__name__": name}, f_code=SimpleNamespace(co_name="f", co_filename=name))
    tb = SimpleNamespace(tb_lineno=1, tb_next=None, tb_frame=frame)
    assert frames_of(SimpleNamespace(traceback=None, exception=None, tb=tb)) == ("shop.py:f:1",)


def test_a_long_traceback_keeps_its_ends() -> None:
    def sink(depth: int) -> None:
        if depth:
            sink(depth - 1)
        raise ValueError("deep")

    _, frames, own = describe_failure(info_of(lambda: sink(120)), "ValueError", "traceback")
    assert len(frames) == MAX_TRACEBACK_FRAMES and frames.count("…") == 1
    assert frames.index("…") == 5 and own == len(frames) - 1
    assert sum(len(frame.encode()) for frame in frames) <= 4096


def test_frames_with_long_names_stay_within_four_kilobytes() -> None:
    tb = None
    for _ in range(60):
        frame = SimpleNamespace(
            f_globals={"__name__": "ä" * 300}, f_code=SimpleNamespace(co_name="f", co_filename="/srv/x.py")
        )
        tb = SimpleNamespace(tb_lineno=1, tb_next=tb, tb_frame=frame)
    frames = frames_of(SimpleNamespace(traceback=None, exception=None, tb=tb))
    assert 3 <= len(frames) < MAX_TRACEBACK_FRAMES
    assert sum(len(frame.encode()) for frame in frames) <= 4096
    assert all(len(frame) <= MAX_NAME and frame.isprintable() for frame in frames)


def test_a_traceback_without_end_is_read_to_a_limit() -> None:
    frame = SimpleNamespace(f_globals={"__name__": "m"}, f_code=SimpleNamespace(co_name="f", co_filename="/srv/x.py"))
    tb: Any = SimpleNamespace(tb_lineno=1, tb_frame=frame)
    tb.tb_next = tb
    assert len(frames_of(SimpleNamespace(traceback=None, exception=None, tb=tb))) == MAX_TRACEBACK_FRAMES


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 has exception groups")
def test_a_group_of_exceptions_has_frames_and_its_own_message() -> None:
    group = ExceptionGroup("several", [ValueError("one")])  # noqa: F821
    message, frames, _ = describe_failure(raising(group), "ExceptionGroup", "traceback")
    assert frames and (message is None or message.startswith("several"))


def test_the_text_that_is_read_is_the_one_that_python_makes() -> None:
    assert traceback.format_exception(ValueError("x"))[-1] == "ValueError: x\n"
    assert failure_details._HEADER in raising(ValueError("x")).traceback
