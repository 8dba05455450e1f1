"""The rows of the comparison with Flower, each declared at its test, and the record of what both showed.

With GOSSIP_TEST_BESIDE=new the tests write docs/explanation/beside-flower-log.md, and tests/unit/test_beside_flower.py
writes the table of docs/explanation/beside-flower.md.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

__all__ = ["FLOWER", "LOG", "OURS", "ROWS", "TESTS", "Answer", "Record", "Row", "is_rewriting", "row"]

FLOWER, OURS = "Flower", "celery-gossip"
Verdict = Literal["better", "equal", "worse"]  #: of celery-gossip, compared with Flower
Test = TypeVar("Test", bound=Callable[..., None])

TESTS = Path(__file__).parent
LOG = TESTS.parents[2] / "docs" / "explanation" / "beside-flower-log.md"
MAX_SHOWN = 700  #: characters of an answer in the log
HEADER = """# Log of the comparison with Flower

What both pages showed during one run of the tests in `tests/web/beside`, and the seconds from the question (a page is
opened) until the last answer was there, on a machine that ran other things, too. Written by
`GOSSIP_TEST_BESIDE=new python -m pytest tests/web/beside`. The verdicts are in [Beside Flower](beside-flower.md).
"""


@dataclass(frozen=True)
class Row:
    """A question of an operator, the answers in short, and who answers it better."""

    question: str
    flower: str
    ours: str
    verdict: Verdict
    reason: str = ""  #: required where Flower is better
    test: str = ""  #: file and name of the test that shows it


ROWS: dict[str, Row] = {}  #: by the name of the test, in the order of the files


def row(question: str, *, flower: str, ours: str, verdict: Verdict, reason: str = "") -> Callable[[Test], Test]:
    """Declare what the test shows. The table in the documentation is made of these."""

    def declare(test: Test) -> Test:
        assert reason or verdict != "worse", question
        file = test.__module__.rpartition(".")[2]
        ROWS[test.__name__] = Row(question, flower, ours, verdict, reason, f"{file}.py::{test.__name__}")
        return test

    return declare


@dataclass(frozen=True)
class Answer:
    """What one of the two showed."""

    who: str
    seconds: float
    shown: str


@dataclass
class Record:
    """The answers of this run, by the name of the test."""

    prefix: str  #: of the names of this run; replaced, so that two runs can be compared
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    def add(self, test: str, answer: Answer) -> None:
        self.answers.setdefault(test, []).append(answer)
        print(f"{answer.who}, {answer.seconds:.1f} s: {answer.shown}")

    def write(self) -> None:
        """Write the log, if both have answered all rows."""
        missing = [test for test in ROWS if {one.who for one in self.answers.get(test, ())} != {FLOWER, OURS}]
        if missing:
            print(f"The log is not written, because these have no answers of both: {', '.join(missing)}")
            return
        LOG.write_text(f"{HEADER}\n{''.join(map(self._section, ROWS.values()))}", "utf-8")

    def _section(self, row: Row) -> str:
        answers = self.answers[row.test.partition("::")[2]]
        return f"## {row.question}\n\n`{row.test}`\n\n{''.join(map(self._paragraph, answers))}"

    def _paragraph(self, answer: Answer) -> str:
        shown = answer.shown.replace("```", "'''")
        split = f"{self.prefix[:-12]} {self.prefix[-12:]}"  # as Flower's table of workers shows it
        for own, common in ((self.prefix, "shop"), (split, "shop"), (str(TESTS.parents[2]), "/srv/shop")):
            shown = shown.replace(own, common)
        shown = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]} […]"
        return f"{answer.who}, {answer.seconds:.1f} s:\n\n```text\n{shown}\n```\n\n"


def is_rewriting() -> bool:
    return os.environ.get("GOSSIP_TEST_BESIDE") == "new"
