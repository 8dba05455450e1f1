"""Permissions to control workers: of the server, of each user, and what is refused without them."""

import json
from pathlib import Path
from typing import Any

import pytest

from celery_gossip.cli.web import command
from celery_gossip.control.command import PERMISSIONS
from celery_gossip.errors import InvalidOption
from celery_gossip.web.auth import BasicAuth
from celery_gossip.web.control_users import read_control_users
from celery_gossip.web.option import WebOptions
from tests.web.served import ANN, Served

W1 = "celery@web1"
#: `{permission: a command that needs it}`
COMMANDS: dict[str, dict[str, Any]] = {
    "pause": {"act": "pause", "queue": "mail"},
    "scale": {"act": "autoscale", "hostname": W1, "max": 2, "min": 1},
    "add_consumer": {"act": "add_consumer", "hostname": W1, "queue": "new"},
    "revoke": {"act": "revoke", "ids": ["t1"]},
    "terminate": {"act": "terminate", "ids": ["t1"]},
    "rate_limit": {"act": "rate_limit", "task": "t", "rate_limit": "1/s"},
    "time_limit": {"act": "time_limit", "task": "t", "hard": 2},
    "pool_restart": {"act": "pool_restart", "hostname": W1},
    "shutdown": {"act": "shutdown", "hostname": W1},
    "purge": {"act": "purge", "queue": "mail", "confirm": "mail"},
}


def test_there_is_a_command_for_each_permission() -> None:
    assert COMMANDS.keys() == set(PERMISSIONS)


@pytest.mark.parametrize("permission", COMMANDS)
def test_a_command_is_sent_with_its_permission_only(controlled: Served, permission: str) -> None:
    assert controlled.control is not None
    controlled.control.permissions = frozenset(PERMISSIONS) - {permission}
    refused = controlled.send_command(**COMMANDS[permission])
    assert refused.status_code == 403 and f"expected the permission {permission!r}" in refused.json()["error"]
    assert (controlled.app.control.sent, controlled.purged) == ([], [])
    controlled.control.permissions = frozenset({permission})
    assert controlled.send_command(**COMMANDS[permission]).status_code == 202
    assert controlled.app.control.sent or controlled.purged == ["mail"]


@pytest.mark.parametrize("permission", COMMANDS)
@pytest.mark.parametrize(
    ("headers", "credentials", "status"),
    [
        ({}, None, 401),
        ({}, ("ann", "wrong"), 401),
        ({"X-Gossip-CSRF": "guess"}, ANN, 403),
        ({"X-Gossip-CSRF": ""}, ANN, 403),
        ({"Origin": "http://evil.example"}, ANN, 403),
        ({"Sec-Fetch-Site": "cross-site"}, ANN, 403),
        ({"Host": "evil.example"}, ANN, 421),
    ],
    ids=str,
)
def test_no_command_is_sent_without_user_token_and_same_origin(
    controlled: Served, permission: str, headers: dict[str, str], credentials: Any, status: int
) -> None:
    known = {"X-Gossip-CSRF": controlled.api.csrf, "Content-Type": "application/json"}
    body = json.dumps({"source": "0", **COMMANDS[permission]})
    response = controlled.request(
        "POST", "/api/control", content=body, headers={**known, **headers}, auth=credentials or None
    )
    assert response.status_code == status
    assert (controlled.app.control.sent, controlled.purged) == ([], [])


def test_a_user_without_permissions_gets_no_token(controlled: Served) -> None:
    assert controlled.control is not None
    controlled.control.control_users = {"bob": frozenset({"pause"})}
    config = controlled.get("/api/config", auth=ANN).json()
    assert (config["permissions"], config["may_control"], config["csrf"], config["is_controlled"]) == (
        [],
        False,
        "",
        True,
    )
    assert controlled.send_command(**COMMANDS["pause"]).status_code == 403
    controlled.control.control_users = {"ann": frozenset({"pause"})}
    assert controlled.get("/api/config", auth=ANN).json()["permissions"] == ["pause"]
    assert controlled.send_command(**COMMANDS["pause"]).status_code == 202
    assert controlled.send_command(**COMMANDS["purge"]).status_code == 403


@pytest.mark.parametrize("given", ["shutdwn", "pause,", ["pause", "x"]])
def test_unknown_permissions_are_refused_with_those_that_are_known(given: Any) -> None:
    with pytest.raises(InvalidOption, match="allow_control: expected names of pause"):
        WebOptions(auth=BasicAuth({}), allow_control=given)


def test_permissions_without_names_are_those_that_can_be_undone() -> None:
    assert WebOptions(auth=BasicAuth({}), allow_control=True).permissions == {"pause", "scale"}
    assert WebOptions(auth=BasicAuth({}), allow_control="purge, revoke").permissions == {"purge", "revoke"}
    assert WebOptions().permissions == frozenset()


def test_users_of_a_file_have_the_permissions_that_it_lists(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("# operators\nann: pause,revoke\nbob@example.com:all\n*:\n")
    path.chmod(0o644)
    users = read_control_users(str(path))
    assert users["ann"] == {"pause", "revoke"} and users["bob@example.com"] == set(PERMISSIONS)
    assert users["*"] == frozenset()
    with pytest.raises(InvalidOption, match="control_users: expected allow_control with it"):
        WebOptions(auth=BasicAuth({}), control_users=users)


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        ("ann", 0o600, "line 1 of .*: expected user:permission"),
        ("\nann:pause\nann:scale", 0o600, "line 3 of .*: expected user:permission,permission, and each user once"),
        ("ann:paus", 0o600, "line 1 of .*: expected names of pause.*did you mean 'pause'"),
        ("ann:pause", 0o666, "other users can write"),
        ("x" * 70_000, 0o600, "expected at most 65536 characters"),
    ],
)
def test_an_invalid_file_of_users_is_refused(tmp_path: Path, text: str, mode: int, reason: str) -> None:
    path = tmp_path / "users"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(InvalidOption, match=f"control_users: .*{reason}|control_users: {reason}"):
        read_control_users(str(path))
    with pytest.raises(InvalidOption, match="control_users: cannot read"):
        read_control_users(str(tmp_path / "absent"))


def test_the_help_names_every_permission() -> None:
    (option,) = [one for one in command.params if one.name == "allow_control"]
    assert all(permission in str(option.help) for permission in PERMISSIONS)  # type: ignore[attr-defined]
