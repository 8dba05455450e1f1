"""Commands in JSON: which are valid, how they are described, and what they send through Celery's remote control."""

from typing import Any

import msgspec
import pytest

from celery_gossip.control.command import COMMANDS, PERMISSIONS, Command
from celery_gossip.control.permission import ALL, DEFAULT, parse_permissions
from celery_gossip.errors import InvalidOption

WEB1 = "celery@web1"


def decode(**fields: Any) -> Command:
    command: Command = msgspec.json.decode(msgspec.json.encode({"source": "0", **fields}), type=Command)
    return command


@pytest.mark.parametrize(
    ("fields", "call", "words"),
    [
        ({"act": "pause", "queue": "q"}, ("cancel_consumer", {"queue": "q"}), "pause 'q'"),
        ({"act": "resume", "queue": "q"}, ("add_consumer", {"queue": "q"}), "resume 'q'"),
        (
            {"act": "add_consumer", "queue": "q", "hostname": WEB1},
            ("add_consumer", {"queue": "q"}),
            "add_consumer 'q'",
        ),
        ({"act": "grow", "hostname": WEB1, "n": 2.0}, ("pool_grow", {"n": 2}), "grow by 2"),
        ({"act": "shrink", "hostname": WEB1}, ("pool_shrink", {"n": 1}), "shrink by 1"),
        (
            {"act": "autoscale", "hostname": WEB1, "max": 8, "min": 2},
            ("autoscale", {"max": 8, "min": 2}),
            "autoscale max=8 min=2",
        ),
        ({"act": "revoke", "ids": ["a", "b", "a"]}, ("revoke", {"task_id": ["a", "b"]}), "revoke a, b"),
        (
            {"act": "terminate", "ids": list("abcde"), "signal": "KILL"},
            ("revoke", {"task_id": list("abcde"), "terminate": True, "signal": "SIGKILL"}),
            "terminate a, b, c and 2 more with KILL",
        ),
        ({"act": "shutdown", "hostnames": [WEB1]}, ("shutdown", {}), "shutdown"),
        ({"act": "pool_restart", "hostname": WEB1}, ("pool_restart", {"modules": []}), "pool_restart"),
        (
            {"act": "rate_limit", "task": "t", "rate_limit": "10/m"},
            ("rate_limit", {"task_name": "t", "rate_limit": "10/m"}),
            "rate_limit 't' 10/m",
        ),
        (
            {"act": "rate_limit", "task": "t", "rate_limit": ""},
            ("rate_limit", {"task_name": "t", "rate_limit": "0"}),
            "rate_limit 't' 0",
        ),
        (
            {"act": "time_limit", "task": "t", "soft": 1.5},
            ("time_limit", {"task_name": "t", "soft": 1.5, "hard": None}),
            "time_limit 't' soft=1.5s hard=none",
        ),
    ],
)
def test_a_command_is_sent_as_a_call_of_the_remote_control(
    fields: dict[str, Any], call: tuple[str, dict[str, Any]], words: str
) -> None:
    command = decode(**fields)
    assert (command.remote_call(), command.words) == (call, words)
    assert command.act == fields["act"]


def test_no_worker_purges() -> None:
    command = decode(act="purge", queue="q", confirm="q")
    assert (command.words, command.named) == ("purge 'q'", None)
    with pytest.raises(TypeError):
        command.remote_call()


@pytest.mark.parametrize(
    "fields",
    [
        {"act": "grow"},
        {"act": "shutdown"},
        {"act": "pool_restart"},
        {"act": "autoscale", "max": 2, "min": 1},
        {"act": "add_consumer", "queue": "q"},
        {"act": "pause", "queue": "q", "hostname": WEB1, "hostnames": [WEB1]},
        {"act": "pause", "queue": "q" * 256},
        {"act": "shutdown", "hostnames": []},
        {"act": "shutdown", "hostnames": ["w"] * 1001},
        {"act": "shutdown", "hostname": ""},
        {"act": "autoscale", "hostname": WEB1, "max": 1, "min": 2},
        {"act": "autoscale", "hostname": WEB1, "max": 0, "min": 0},
        {"act": "autoscale", "hostname": WEB1, "max": 1.5, "min": 1},
        {"act": "autoscale", "hostname": WEB1, "max": 10_001, "min": 1},
        {"act": "revoke", "ids": []},
        {"act": "revoke", "ids": ["x"] * 101},
        {"act": "terminate", "ids": ["x"], "signal": "INT"},
        {"act": "rate_limit", "task": "t", "rate_limit": "10/d"},
        {"act": "rate_limit", "task": "t", "rate_limit": "-1"},
        {"act": "rate_limit", "task": "t", "rate_limit": "10/m\n"},
        {"act": "time_limit", "task": "t", "soft": 0},
        {"act": "time_limit", "task": "t", "soft": 3, "hard": 2},
        {"act": "time_limit", "task": "t", "hard": 1e9},
        {"act": "purge", "queue": "q", "confirm": "Q"},
        {"act": "purge", "queue": "q"},
        {"act": "eval", "hostname": WEB1},
        {"act": "shutdown", "hostname": WEB1, "msg": "bye"},
    ],
    ids=str,
)
def test_an_invalid_command_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(**fields)


def test_every_command_needs_a_permission() -> None:
    assert all(one.permission in PERMISSIONS for one in COMMANDS)
    assert set(PERMISSIONS) >= DEFAULT


def test_permissions_are_read_from_names_and_unknown_ones_are_named_with_the_nearest() -> None:
    assert parse_permissions("pause, purge") == {"pause", "purge"}
    assert parse_permissions(f"pause,{ALL}") == set(PERMISSIONS)
    with pytest.raises(InvalidOption, match=r"names of pause, add_consumer.*got 'revok': did you mean 'revoke'\?"):
        parse_permissions("pause,revok")
    for text in ("", "pause,,scale", "zzz"):
        with pytest.raises(InvalidOption, match="allow_control: expected names of pause"):
            parse_permissions(text)
