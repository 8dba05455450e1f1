"""The commands that are offered for a row: each is valid once its fields are, and says what is wrong with them."""

from dataclasses import replace

import msgspec
import pytest

from celery_gossip.control.command import COMMANDS, MAX_IDS, Terminate
from celery_gossip.tui.action import Action, InvalidCommand, actions_for, bulk_actions
from celery_gossip.tui.pane import PANES
from celery_gossip.tui.snapshot import Snapshot
from tests.tui.scenes import NOW, a_schedule, a_worker, failures, findings

SNAPSHOT = Snapshot(a_schedule(), NOW, findings=findings(), failures=failures())
TEXTS = {"n": "2", "max": "4", "min": "1", "soft": "10", "hard": "20.5", "signal": "KILL", "rate_limit": "10/m"}
TEXTS |= {"queue": "mail", "hostname": "shop1@vm"}


def offered(pane: str) -> dict[str, list[Action]]:
    """Return the actions of each row of a pane."""
    one = next(one for one in PANES if one.id == pane)
    keys = map(one.row_key, one.rows(SNAPSHOT))
    return {key: list(actions_for(pane, key, SNAPSHOT)) for key in keys}


@pytest.mark.parametrize("pane", [pane.id for pane in PANES])
def test_every_row_offers_commands_that_are_valid_and_have_keys_of_their_own(pane: str) -> None:
    for key, actions in offered(pane).items():
        assert actions or key in ("shop1@vm\nid-default", "shop2@vm\nid-reports")
        assert len({action.key for action in actions}) == len(actions)
        for action in actions:
            command = action.command({**TEXTS, "confirm": action.values.get("queue", "")})
            assert command.act == action.act and command.permission == action.permission


def test_every_command_is_offered_somewhere() -> None:
    acts = {action.act for pane in PANES for actions in offered(pane.id).values() for action in actions}
    assert acts == {str(one.__struct_config__.tag) for one in COMMANDS}


@pytest.mark.parametrize(
    ("act", "texts", "expected"),
    [
        ("grow", {"n": "many"}, "slots: expected a number, got 'many'"),
        ("grow", {"n": "0"}, "Expected `float` >= 1"),
        ("grow", {"n": "nan"}, "Expected"),
        ("autoscale", {"max": "1", "min": ""}, "missing required field `min`"),
        ("autoscale", {"max": "1", "min": "2"}, "not less than min"),
        ("add_consumer", {"queue": " "}, "queue: expected a value"),
    ],
)
def test_a_value_that_is_not_valid_is_named(act: str, texts: dict[str, str], expected: str) -> None:
    action = next(action for action in actions_for("workers", "shop1@vm", SNAPSHOT) if action.act == act)
    with pytest.raises(InvalidCommand, match=expected):
        action.command(texts)


def test_time_limits_may_be_empty() -> None:
    action = next(one for one in actions_for("failures", "shop.pay\nKeyError\n", SNAPSHOT) if one.act == "time_limit")
    command = action.command({"soft": "", "hard": "60"})
    assert (command.soft, command.hard) == (None, 60.0)  # type: ignore[union-attr]


def test_a_task_that_its_worker_cannot_end_is_ended_on_no_other() -> None:
    def terminate(key: str) -> Terminate:
        action = next(one for one in actions_for("tasks", key, SNAPSHOT) if one.act == "terminate")
        command = action.command({"signal": "TERM"})
        assert isinstance(command, Terminate)
        return command

    assert terminate("shop1@vm\nid-mail").named is None
    assert terminate("shop2@vm\nid-reports").named == ("shop2@vm",)


def test_bulk_commands_are_for_two_rows_or_more_within_the_limit() -> None:
    tasks = list(SNAPSHOT.tasks)
    assert bulk_actions("tasks", tasks[:1]) == () == bulk_actions("queues", [1, 2])
    assert [action.key for action in bulk_actions("tasks", tasks)] == ["R", "T"]
    assert bulk_actions("tasks", [replace(tasks[0], id=str(at)) for at in range(MAX_IDS + 1)]) == ()
    gone = msgspec.structs.replace(a_worker("gone@vm"), state="lost")
    named = bulk_actions("workers", [a_worker("a@vm"), a_worker("b@vm"), gone])
    assert all(action.command(TEXTS).named == ("a@vm", "b@vm") for action in named)
    assert bulk_actions("workers", [gone, gone]) == ()
