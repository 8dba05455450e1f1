"""The dashboard renders as in the stored snapshots.

After an intended change run `GOSSIP_TEST_PICTURES=new python -m pytest tests/tui/test_pictures.py` and review the diff.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from celery_gossip.tui.text import escape_text
from tests.tui.remote import a_session
from tests.tui.scenes import (
    HOSTILE,
    a_schedule,
    a_view,
    failures,
    findings,
    hostile,
    hostile_failures,
    isolated,
    many_workers,
    three_workers,
    throughput_by_queue,
)
from tests.tui.stage import FakeSource, Stage, play

PICTURES = Path(__file__).parent / "pictures"
SMALL, LARGE = (80, 24), (200, 50)


@dataclass(frozen=True)
class Scene:
    """A source, and the keys that are pressed."""

    source: FakeSource
    size: tuple[int, int] = SMALL
    keys: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()  #: none: the dashboard sends no commands


SCENES = {
    "nobody": Scene(FakeSource(a_view())),
    "unreachable": Scene(FakeSource(a_view(), error=OSError("[Errno 111] Connection refused"))),
    "three": Scene(FakeSource(three_workers(), findings(), throughput=throughput_by_queue())),
    "three_large": Scene(FakeSource(three_workers(), findings(), throughput=throughput_by_queue()), LARGE),
    "thousand": Scene(FakeSource(many_workers())),
    "thousand_large": Scene(FakeSource(many_workers()), LARGE),
    "isolated": Scene(FakeSource(isolated(), findings(), ConnectionError("Connection closed by server."))),
    "hostile": Scene(FakeSource(*hostile())),
    "hostile_large": Scene(FakeSource(*hostile()), LARGE),
    "help": Scene(FakeSource(three_workers()), keys=("question_mark",)),
    "filter": Scene(FakeSource(many_workers()), keys=("slash", *"w012", "enter")),
    "paused": Scene(FakeSource(three_workers()), keys=("space",)),
    "finding": Scene(FakeSource(three_workers(), findings()), keys=("1", "enter")),
    "queue": Scene(
        FakeSource(three_workers(), findings(), throughput=throughput_by_queue()), keys=("2", "down", "enter")
    ),
    "queue_large": Scene(
        FakeSource(three_workers(), findings(), throughput=throughput_by_queue()), LARGE, ("2", "down", "enter")
    ),
    "task": Scene(FakeSource(three_workers(), findings()), keys=("5", "enter")),
    "failures": Scene(FakeSource(three_workers(), findings(), failures=failures()), keys=("f",)),
    "failures_large": Scene(FakeSource(three_workers(), findings(), failures=failures()), LARGE, ("6", "enter")),
    "failure": Scene(FakeSource(three_workers(), findings(), failures=failures()), keys=("6", "enter")),
    "search": Scene(FakeSource(three_workers()), keys=("slash", *"id-left", "enter")),
    "help_control": Scene(FakeSource(three_workers()), LARGE, ("question_mark",), ("pause", "revoke")),
    "menu": Scene(FakeSource(three_workers()), keys=("2", "down", "c"), permissions=("pause",)),
    "form": Scene(FakeSource(three_workers()), keys=("c", "a"), permissions=("scale",)),
    "question": Scene(FakeSource(three_workers()), keys=("5", "c", "t", "enter"), permissions=("terminate",)),
    "schedule": Scene(FakeSource(a_schedule(), findings()), keys=("4",)),
    "schedule_large": Scene(FakeSource(a_schedule(), findings()), LARGE, ("4", "down", "enter")),
    "worker": Scene(FakeSource(three_workers(), findings()), keys=("end", "enter")),
    "worker_large": Scene(FakeSource(three_workers(), findings()), LARGE, ("end", "enter")),
}


@pytest.mark.parametrize("name", SCENES)
def test_it_renders_as_in_the_stored_snapshot(name: str) -> None:
    drawn: list[str] = []

    async def scenario(stage: Stage) -> None:
        await stage.tick()
        await stage.press(*scene.keys)
        drawn.append(stage.picture)

    scene = SCENES[name]
    session = a_session(scene.source, *scene.permissions)[0] if scene.permissions else None
    play(scenario, scene.source, scene.size, session)
    kept = PICTURES / f"{name}.txt"
    if os.environ.get("GOSSIP_TEST_PICTURES") == "new":
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(drawn[0], encoding="utf-8")
    assert drawn[0] == kept.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [SMALL, LARGE, (40, 12), (20, 5), (1, 1)])
def test_hostile_names_stay_text_within_their_column_at_any_size(size: tuple[int, int]) -> None:
    async def scenario(stage: Stage) -> None:
        details = [("escape", number, "end", "enter") for number in "356"]
        for keys in ((), ("2",), ("enter",), *details, ("question_mark",)):
            await stage.press(*keys)
            assert "\x1b" not in stage.text and "\u202e" not in stage.text
            if size == LARGE and keys == ():
                assert all(escape_text(name)[:20] in stage.text for name in HOSTILE)

    play(scenario, FakeSource(*hostile(), failures=hostile_failures()), size)
