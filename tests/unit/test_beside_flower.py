"""The comparison with Flower in the documentation is the one that the browser tests show.

After a change of rows run `GOSSIP_TEST_BESIDE=new python -m pytest tests/web/beside`, which writes the log, then
`GOSSIP_TEST_BESIDE=new python -m pytest tests/unit/test_beside_flower.py`, which writes the table.
"""

import ast
import importlib
import re
from collections import Counter
from pathlib import Path

from tests.web.beside.record import LOG, ROWS, TESTS, Row, is_rewriting

PAGE = LOG.with_name("beside-flower.md")
BEGIN, END = "<!-- rows -->\n", "<!-- end of rows -->\n"
HEADINGS = {
    "test_asking_workers.py": "Workers and queues",
    "test_asking_tasks.py": "Tasks",
    "test_commands.py": "Controls",
    "test_service.py": "The monitor itself",
    "test_trouble.py": "When something ends",
}
VERDICTS = {"better": "better", "equal": "equal", "worse": "**Flower is better**"}


def declared_rows() -> dict[str, list[Row]]:
    """Return the rows of each file, in the order of HEADINGS."""
    for file in HEADINGS:
        importlib.import_module(f"tests.web.beside.{Path(file).stem}")
    return {file: [row for row in ROWS.values() if row.test.startswith(f"{file}::")] for file in HEADINGS}


def tables() -> str:
    """Return the generated part of the page."""
    rows = declared_rows()
    return f"{summary([row for of_file in rows.values() for row in of_file])}\n" + "\n".join(
        f"## {HEADINGS[file]}\n\n| | Flower 2.2 | celery-gossip | | test |\n|---|---|---|---|---|\n"
        + "".join(map(line, of_file))
        for file, of_file in rows.items()
    )


def summary(rows: list[Row]) -> str:
    counts = Counter(row.verdict for row in rows)
    return (
        f"Of {len(rows)} rows, {counts['better']} are better here, {counts['equal']} equal, and "
        f"{counts['worse']} better in Flower.\n"
    )


def line(row: Row) -> str:
    reason = f": {row.reason}" if row.reason else ""
    name = row.test.partition("::")[2]
    return f"| {row.question} | {row.flower} | {row.ours} | {VERDICTS[row.verdict]}{reason} | `{name}` |\n"


def test_the_table_has_the_rows_of_the_tests() -> None:
    before, after = PAGE.read_text("utf-8").split(BEGIN)[0], PAGE.read_text("utf-8").split(END)[1]
    text = f"{before}{BEGIN}\n{tables()}\n{END}{after}"
    if is_rewriting():
        PAGE.write_text(text, "utf-8")
    assert PAGE.read_text("utf-8") == text


def test_each_test_is_a_row() -> None:
    files = {path.name: path for path in TESTS.glob("test_*.py")}
    assert files.keys() == HEADINGS.keys()
    names = {
        f"{name}::{node.name}"
        for name, path in files.items()
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert {row.test for of_file in declared_rows().values() for row in of_file} == names


def test_a_row_where_flower_is_better_has_a_reason() -> None:
    rows = [row for of_file in declared_rows().values() for row in of_file]
    assert [row.test for row in rows if row.verdict == "worse" and not row.reason] == []
    assert [row.test for row in rows if "|" in row.question + row.flower + row.ours + row.reason] == []


def test_the_log_has_an_answer_of_both_for_each_row() -> None:
    declared_rows()
    text = LOG.read_text("utf-8")
    sections = dict(re.findall(r"^## .*\n\n`(.*)`\n\n((?:(?!^## ).*\n?)*)", text, re.MULTILINE))
    assert sections.keys() == {row.test for row in ROWS.values()}
    for test, section in sections.items():
        assert re.findall(r"^(Flower|celery-gossip), ", section, re.MULTILINE), test
        assert {"Flower", "celery-gossip"} <= set(re.findall(r"^([\w-]+), \d", section, re.MULTILINE)), test
