"""The screen of failures fits into the terminal and shows no text that would change it."""

import pytest

from celery_gossip.cluster.failures import FailureView
from celery_gossip.tui.failures import failure_lines
from celery_gossip.tui.text import cell_width
from tests.unit.console.test_failures import VIEW, a_failure


def texts(view: FailureView, width: int = 100, height: int = 24) -> list[str]:
    return ["".join(cell.text for cell in line) for line in failure_lines(view, width, height)]


def test_each_group_has_a_line_with_its_cause() -> None:
    _, _, heading, pay, send = texts(VIEW)
    assert heading.split() == ["COUNT", "LAST", "TASK", "EXCEPTION", "CAUSE"]
    assert pay.split() == ["2", "10s", "shop.pay", "KeyError", r"no\x1b[2J"]
    assert send.split() == ["1", "1m00s", "shop.send", "KeyError", "-"]


def test_without_a_failure_it_says_so() -> None:
    assert texts(FailureView())[-1] == "none since this command began to listen"


@pytest.mark.parametrize(("width", "height"), [(200, 60), (80, 24), (20, 8), (10, 10)])
def test_it_fits_into_the_terminal(width: int, height: int) -> None:
    many = tuple(a_failure(float(number), message="\u4e2d" * 200, task=f"shop.task{number}") for number in range(50))
    shown = texts(FailureView(many, taken_at=100.0), width, height)
    assert len(shown) <= height and shown[-1].startswith("and ") is (height < 54)
    assert all(cell_width(line) <= width for line in shown[2:])
