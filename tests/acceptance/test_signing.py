"""Signed gossip, from real workers to the commands."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually
from tests.support.commands import commanded, ended
from tests.support.refusals import refusal
from tests.support.workers import Project

KEY, OTHER = "geheim: a key of theirs", "geheim: another of theirs"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"{KEY}\n")
    return path


def test_a_signed_worker_is_verified_an_unsigned_one_is_not_and_is_refused_by_option(
    project: Project, keys: Path
) -> None:
    with project.worker("--without-mingle", pool="solo", name="unsigned", concurrency=1):
        project.conf["gossip_secret_file"] = str(keys)
        with project.worker("--without-mingle", pool="threads", name="signed") as worker:
            told = project.status()
            assert verdicts(told, project) == {"signed": True, "unsigned": False}
            text = project.gossip("status").stdout
            assert [line.split()[1:3] for line in text.splitlines() if line.startswith("unsigned@")] == [
                ["online", "(unverified)"]
            ]
            assert text.count("unverified") == 1

            assert worker.project.inspect("stats", worker.node)["queue_gossip"]["secret_file"] == str(keys)
            with commanded(project, "watch") as watch:
                assert watch.stdout is not None
                lines = [watch.stdout.readline() for _ in range(6)]
                assert ended(watch, signal.SIGINT) == (0, "")
            assert {(line.split()[1].split("@")[0], "(unverified)" in line) for line in lines} == {
                ("signed", False),
                ("unsigned", True),
            }

            project.conf["gossip_refuse_unverified"] = True
            done = project.gossip("status", "--json")
            assert verdicts(json.loads(done.stdout), project) == {"signed": True}
            assert done.stderr.startswith("messages refused: unsigned ")


def test_a_listener_without_a_secret_hears_signed_workers_as_ever(project: Project) -> None:
    project.conf["gossip_secret"] = KEY
    with project.worker("--without-mingle", pool="threads", name="signed") as worker:
        del project.conf["gossip_secret"]
        assert verdicts(project.status(), project) == {"signed": None}
        assert "unverified" not in project.gossip("status").stdout
        stats = project.inspect("stats", worker.node)
        assert stats["queue_gossip"]["secret"] == "***" and "geheim" not in json.dumps(stats)
        assert "geheim" not in worker.output


def test_workers_with_another_key_are_refused_and_the_finding_says_what_to_do(project: Project) -> None:
    project.conf["gossip_secret"] = [KEY]
    with project.worker("--without-mingle", pool="threads"):
        project.conf["gossip_secret"] = [OTHER]
        done = project.gossip("status", "--wait", "8")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "WARNING for " in done.stdout and "Set gossip_secret to the same value" in done.stdout
        assert "No worker reports on" in done.stdout and "rejected: signature " in done.stdout
        assert "messages refused: signature " in done.stderr
        assert "geheim" not in done.stdout + done.stderr

        project.conf["gossip_secret"] = [OTHER, KEY]
        assert [worker["is_verified"] for worker in project.status()["workers"]] == [True]


def verdicts(told: dict[str, Any], project: Project) -> dict[str, Any]:
    return {worker["hostname"].partition("@")[0]: worker["is_verified"] for worker in told["workers"]}


BAD = {
    "no file": ({"gossip_secret_file": "{folder}/missing"}, "gossip_secret_file: cannot read '{folder}/missing'"),
    "an empty file": ({"gossip_secret_file": "{folder}/empty"}, "gossip_secret_file: expected one or two lines"),
    "a short key": ({"gossip_secret_file": "{folder}/short"}, "gossip_secret_file: expected one or two lines"),
    "a short secret": ({"gossip_secret": "geheim"}, "gossip_secret: expected a text of 16 to 1024 characters"),
    "a secret of another type": ({"gossip_secret": {"geheim": 1}}, "gossip_secret: expected a text"),
    "both": (
        {"gossip_secret": KEY, "gossip_secret_file": "{folder}/short"},
        "gossip_secret_file: expected None,",
    ),
    "no secret": ({"gossip_refuse_unverified": True}, "gossip_refuse_unverified: expected False"),
}


def with_bad_secret(project: Project, name: str, folder: Path) -> str:
    """Give this project the settings of BAD; returns the beginning of what is said of them."""
    (folder / "empty").touch()
    (folder / "short").write_text("geheim\n")
    conf, expected = BAD[name]
    project.conf.update(
        {key: value.format(folder=folder) if isinstance(value, str) else value for key, value in conf.items()}
    )
    return f"Error: {expected.format(folder=folder)}"


@pytest.mark.redis
@pytest.mark.parametrize("command", ["worker", "status"])
def test_a_bad_secret_is_refused_in_one_line_that_does_not_show_it(
    redis_project: Project, command: str, tmp_path: Path
) -> None:
    expected = with_bad_secret(redis_project, "a short key", tmp_path)
    arguments = ["gossip", "status"]
    if command == "worker":
        arguments = ["worker", "--without-mingle", "-P", "solo", "-n", f"w1@{redis_project.prefix}"]
    done = redis_project.celery(*arguments)
    output = done.stdout + done.stderr
    assert done.returncode == (3 if command == "status" else 1), output
    (error,) = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert error.startswith(expected)
    assert output.strip().endswith(error), "nothing is said after the error"
    assert "geheim" not in output and "Traceback" not in output


@pytest.mark.parametrize("name", BAD)
def test_every_bad_secret_is_refused_in_one_line_that_does_not_show_it(name: str, tmp_path: Path) -> None:
    project = Project("memory://")
    expected = with_bad_secret(project, name, tmp_path)
    done = project.gossip("status")
    assert (done.returncode, done.stdout) == (3, "")
    for error in (done.stderr.strip(), refusal(project)):
        assert error.startswith(expected) and len(error.splitlines()) == 1 and "geheim" not in error


@pytest.mark.redis
def test_the_file_is_read_once_at_start(redis_project: Project, keys: Path) -> None:
    redis_project.conf["gossip_secret_file"] = str(keys)
    with redis_project.worker("--without-mingle", pool="threads"):
        keys.write_text(f"{OTHER}\n")
        redis_project.conf["gossip_secret_file"] = None
        redis_project.conf["gossip_secret"] = KEY
        eventually(lambda: assert_verified(redis_project), timeout=10)


def assert_verified(project: Project) -> None:
    assert [worker["is_verified"] for worker in project.status()["workers"]] == [True]
