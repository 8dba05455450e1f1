"""The types that the page is checked with are those of the rows that the server sends.

After a change of rows or commands run `GOSSIP_TEST_ROWS=new python -m pytest tests/web/test_row_types.py`.
"""

import os
from pathlib import Path

from celery_gossip.web.subject import build_tables
from celery_gossip.web.topic import parse_topic
from tests.web.fake_fleet import FakeFleet
from tests.web.row_types import row_types

TYPES = Path(__file__).parents[2] / "celery_gossip" / "web" / "page_types" / "row.d.ts"
SUBJECTS = ("pace:", "queue:0/mail", "worker:0/celery@web1", "task:0/shop.pack", "failure:0/0123", "run:0/id", "runs:")
TOPICS = ("matrix:queues", "fleet", "queues", "workers", "tasks", "failures", "schedule", *SUBJECTS)


def test_the_declarations_are_those_of_the_structs() -> None:
    if os.environ.get("GOSSIP_TEST_ROWS") == "new":
        TYPES.write_text(row_types(), "utf-8")
    assert TYPES.read_text("utf-8") == row_types()


def test_every_table_of_a_topic_is_declared() -> None:
    declared = row_types().partition("interface Tables {")[2]
    fleet = FakeFleet()
    snapshots = {"0": fleet.sampler().sample()}
    tables = {name for topic in TOPICS for name in build_tables(parse_topic(topic), snapshots, {"0": fleet})}
    assert len(tables) == 29
    assert [name for name in sorted(tables) if f"    {name}: " not in declared] == []
