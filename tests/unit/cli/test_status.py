"""`celery gossip status`: each exit code and each option, with a listener that needs no broker."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery
from click.testing import CliRunner

from celery_gossip.cli import gossip, local_status
from celery_gossip.wire.messages import RunningTask
from tests.unit.build import a_check
from tests.unit.cli.fakes import FakeListener, run, run_json, use_listener
from tests.unit.console.views import a_finding, a_throughput, a_view, a_worker


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> FakeListener:
    return use_listener(monkeypatch, FakeListener())


# Exit codes.


def test_a_fleet_without_problems_exits_with_0(listener: FakeListener) -> None:
    done = run("status")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "No problems detected."
    assert not listener.is_open


@pytest.mark.parametrize(("severity", "code"), [("warning", 1), ("critical", 2)])
@pytest.mark.parametrize("form", [(), ("--json",), ("--check",)])
def test_a_finding_decides_the_exit_code_by_its_severity_in_every_form(
    listener: FakeListener, severity: str, code: int, form: tuple[str, ...]
) -> None:
    listener.findings = (a_finding(severity=severity),)
    assert run("status", *form).exit_code == code


def test_running_tasks_are_listed_if_asked_for(listener: FakeListener) -> None:
    tasks = (RunningTask(0, 5.0), RunningTask(1, 50.0))
    check = a_check("mail", active=("id-1", "id-2"), active_count=2, tasks=tasks)
    listener.known = a_view(a_worker(checks=(check,), names=("shop.pack", "shop.send")))
    assert "TASK ID" not in run("status").stdout and "tasks" not in run_json("status")
    for options, ids in (
        (("--tasks",), ["id-2", "id-1"]),
        (("--task", "shop.pack"), ["id-1"]),
        (("--tasks", "--task", "id-2"), ["id-2"]),
        (("--task", "id-2", "--task", "shop.pack"), ["id-2", "id-1"]),
    ):
        lines = run("status", *options).stdout.splitlines()
        assert [line.split()[0] for line in lines if line.startswith("id-")] == ids
        assert [task["id"] for task in run_json("status", *options)["tasks"]] == ids
    assert "No such task is running" in run("status", "--task", "id-9").stdout
    assert run("status", "--task", "").exit_code == 3
    (first, _) = run_json("status", "--tasks")["tasks"]
    assert first == {
        "id": "id-2", "name": "shop.send", "queue": "mail", "hostname": "celery@web1", "age": 50.25, "retries": 0,
        "is_redelivered": False, "soft_time_limit": None, "time_limit": None,
    }  # fmt: skip


def test_no_worker_exits_with_3_and_says_what_to_check(listener: FakeListener) -> None:
    listener.known = a_view()
    done = run("status")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith("Error: no worker reports on exchange 'celery_gossip' of redis://127.0.0.1:6379/0. ")
    listener.findings = (a_finding(kind="nobody_heard"),)
    assert run("status").exit_code == 3


@pytest.mark.parametrize(
    ("error", "text"),
    [(ConnectionRefusedError("refused"), "refused"), (None, "no answer yet")],
)
def test_a_broker_that_cannot_be_reached_exits_with_3(
    listener: FakeListener, monkeypatch: pytest.MonkeyPatch, error: Exception | None, text: str
) -> None:
    monkeypatch.setattr("celery_gossip.listener.snapshot._CONNECT_TIMEOUT", 0.0)
    listener.known, listener.connected_at, listener.error = a_view(), None, error
    done = run("status", "--expect-workers", "1")
    assert done.exit_code == 3
    assert done.stderr == f"Error: cannot reach the broker redis://127.0.0.1:6379/0: {text}\n"


def test_a_view_that_is_isolated_exits_with_3(listener: FakeListener) -> None:
    listener.known = a_view(a_worker(), isolated_since=1000.0)
    listener.findings = (a_finding(kind="isolated"),)
    done = run("status", "--check", "--max-backlog", "5", "--expect-workers", "1")
    assert done.exit_code == 3
    assert done.stdout.startswith("GOSSIP UNKNOWN: the listener is isolated, and the view is frozen; ")


def test_a_listener_that_died_exits_with_3(listener: FakeListener) -> None:
    listener.failure = "its thread has ended"
    assert "the listener has failed: its thread has ended" in run("status", "--check").stdout
    assert run("status").exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--nonsense",), "No such option"),
        (("unexpected",), "unexpected extra argument"),
        (("--wait", "0"), "'--wait': expected seconds above 0 and at most 86400, got '0'"),
        (("--wait", "soon"), "'--wait': expected seconds above 0 and at most 86400, got 'soon'"),
        (("--server-timeout", "nan"), "'--server-timeout': expected seconds above 0 and at most 86400, got 'nan'"),
        (("--queue", ""), "'--queue': expected a name, got ''"),
        (("--expect-worker", ""), "'--expect-worker': expected a name, got ''"),
        (("--expect-workers", "0"), "'--expect-workers': expected a whole number of at least 1, or two of them as "),
        (("--expect-workers", "2,2"), "'--expect-workers': expected a WARNING above CRITICAL, got '2,2'"),
        (("--max-backlog", "many"), "'--max-backlog': expected a whole number of at least 0, or two of them as "),
        (("--max-backlog", "10,5"), "'--max-backlog': expected a WARNING below CRITICAL, got '10,5'"),
        (("--max-backlog", "1,2,3"), "or two of them as WARNING,CRITICAL, got '1,2,3'"),
        (("--max-wait", "-1"), "'--max-wait': expected seconds of at least 0, or two of them as "),
        (("--max-failure-rate", "5"), "'--max-failure-rate': expected a rate from 0 to 1, or a percentage like 5%, or"),
        (("--server-auth", "basic:f"), "--server-auth: expected together with --server"),
        (("--server", "ftp://host"), "--server: expected a URL like 'https://ops.example.com/gossip/', got 'ftp://ho"),
    ],
)
def test_wrong_use_exits_with_3_and_names_option_expectation_and_value(
    listener: FakeListener, arguments: tuple[str, ...], text: str
) -> None:
    done = run("status", *arguments)
    assert (done.exit_code, done.stdout) == (3, "")
    assert text in done.stderr and done.stderr.startswith("Usage: ")


def test_with_check_an_error_is_the_first_line_on_stdout_as_well(listener: FakeListener) -> None:
    done = run("status", "--check", "--max-backlog", "x|y")
    assert done.exit_code == 3
    (line,) = done.stdout.splitlines()
    assert line.startswith("GOSSIP UNKNOWN: Invalid value for '--max-backlog': expected") and "x\\x7cy" in line


def test_json_and_check_exclude_each_other(listener: FakeListener) -> None:
    done = run("status", "--json", "--check")
    assert (done.exit_code, done.stdout) == (3, "GOSSIP UNKNOWN: expected one of --json and --check, got both\n")


def test_an_app_without_a_usable_broker_exits_with_3() -> None:
    app = Celery("shop", broker="nosuch://ann:s3cret@host", set_as_current=False)
    done = CliRunner().invoke(gossip, ["status", "--check"], obj=SimpleNamespace(app=app))
    assert done.exit_code == 3 and done.stdout.startswith("GOSSIP UNKNOWN: ") and done.stderr.startswith("Error: ")
    assert "s3cret" not in done.output


def test_an_error_of_our_own_exits_with_3_and_has_its_traceback_on_stderr(
    listener: FakeListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(listener, "throughput", fail)
    done = run("status", "--check")
    assert (done.exit_code, done.stdout) == (3, "GOSSIP UNKNOWN: internal error: RuntimeError: a bug\n")
    assert "Traceback" in done.stderr
    assert run("status").exit_code == 3
    assert not listener.is_open


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_the_listener_and_exits_with_3(
    listener: FakeListener, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("celery_gossip.listener.snapshot.wait_for_reports", lambda *_: os.kill(os.getpid(), number))
    done = run("status", "--check")
    assert (done.exit_code, done.stdout) == (3, "GOSSIP UNKNOWN: interrupted\n")
    assert not listener.is_open
    assert signal.getsignal(signal.SIGTERM) is handler


def test_help_exits_with_0_and_explains_the_exit_codes(listener: FakeListener) -> None:
    for flag in ("-h", "--help"):
        done = run("status", flag)
        assert done.exit_code == 0 and "2  critical: " in done.stdout and "3  unknown: " in done.stdout


# Options.


def test_too_few_workers_exit_with_2(listener: FakeListener) -> None:
    assert run("status", "--expect-workers", "1").exit_code == 0
    assert run("status", "--expect-workers", "2,1").exit_code == 1
    done = run("status", "--expect-workers", "2")
    assert done.exit_code == 2
    assert done.stdout.splitlines()[-1] == "CRITICAL expect-workers: 1 worker reports, fewer than 2"


def test_no_worker_where_one_is_expected_exits_with_2(listener: FakeListener) -> None:
    listener.known = a_view()
    done = run("status", "--expect-workers", "1")
    assert (done.exit_code, done.stdout) == (2, "CRITICAL expect-workers: 0 workers report, fewer than 1\n")
    assert done.stderr.startswith("Error: no worker reports on exchange ")


def test_workers_are_expected_by_name_or_by_host(listener: FakeListener) -> None:
    assert run("status", "--expect-worker", "celery@web1", "--expect-worker", "web1").exit_code == 0
    done = run("status", "--expect-worker", "celery@web1", "--expect-worker", "celery@web2")
    assert done.exit_code == 2
    assert done.stdout.splitlines()[-1] == "CRITICAL expect-worker: celery@web2 has not reported"


@pytest.mark.parametrize(("limit", "code"), [("7", 0), ("6", 2), ("6,10", 1), ("1,6", 2)])
def test_a_backlog_above_its_limit_exits_with_2_or_with_1(listener: FakeListener, limit: str, code: int) -> None:
    listener.known = a_view(a_worker(), backlogs={"default": 7})
    listener.backlogs = {"default": 7}
    assert run("status", "--max-backlog", limit).exit_code == code


def test_an_unknown_backlog_exits_with_3_after_it_was_waited_for(
    listener: FakeListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_status, "_BACKLOG_TIMEOUT", 0.1)
    listener.known, listener.backlogs = a_view(a_worker()), {}
    done = run("status", "--max-backlog", "5")
    assert done.exit_code == 3
    assert done.stdout.splitlines()[-1] == "UNKNOWN max-backlog: the backlog of queue 'default' is unknown"


def test_a_backlog_that_is_not_read_yet_is_waited_for(listener: FakeListener, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(_: float) -> None:
        listener.known, listener.backlogs = a_view(a_worker(), backlogs={"default": 1}), {"default": 1}

    listener.known, listener.backlogs = a_view(a_worker()), {}
    monkeypatch.setattr(local_status.time, "sleep", sleep)
    assert run("status", "--max-backlog", "5").exit_code == 0


@pytest.mark.parametrize(
    ("option", "limit", "code"),
    [
        ("--max-wait", "3", 0),
        ("--max-wait", "1", 2),
        ("--max-wait", "1,3", 1),
        ("--max-failure-rate", "25%", 0),
        ("--max-failure-rate", "0.3", 0),
        ("--max-failure-rate", "0.2", 2),
        ("--max-failure-rate", "24.9%", 2),
        ("--max-failure-rate", "10%,0.5", 1),
    ],
)
def test_a_rate_above_its_limit_exits_with_2_or_with_1(
    listener: FakeListener, option: str, limit: str, code: int
) -> None:
    listener.pace = {"default": a_throughput()}
    assert run("status", option, limit).exit_code == code


@pytest.mark.parametrize("option", ["--max-wait", "--max-failure-rate"])
def test_a_rate_is_unknown_after_a_short_time_without_tasks(listener: FakeListener, option: str) -> None:
    assert run("status", option, "1").exit_code == 0
    assert listener.connected_at is not None
    listener.connected_at += 50.0
    done = run("status", option, "1")
    assert done.exit_code == 3 and "in 10 s of listening; after 30 s it counts as idle" in done.stdout


def test_limits_are_for_the_queues_that_are_named_and_these_are_shown(listener: FakeListener) -> None:
    worker = a_worker(checks=(a_check("mail"), a_check("reports")))
    listener.known = a_view(worker, backlogs={"mail": 1, "reports": 9, "orphans": 0})
    listener.backlogs = {"mail": 1, "reports": 9, "orphans": 0}
    assert run("status", "--max-backlog", "5").exit_code == 2
    done = run("status", "--max-backlog", "5", "--queue", "mail", "--queue", "orphans")
    assert done.exit_code == 0 and listener.queues == ("mail", "orphans")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:4]] == ["mail", "orphans", "reports"]
    names = [queue["queue"] for queue in run_json("status", "--queue", "orphans")["queues"]]
    assert names == ["mail", "orphans", "reports"]


def test_a_finding_about_another_queue_counts_although_limits_are_for_one(listener: FakeListener) -> None:
    listener.findings = (a_finding(kind="failing", subject="reports"),)
    assert run("status", "--queue", "default", "--max-backlog", "5").exit_code == 2


def test_json_has_the_view_and_the_outcome_of_every_check(listener: FakeListener) -> None:
    shown = run_json("status", "--expect-workers", "2", "--max-backlog", "5")
    assert list(shown) == ["workers", "queues", "beats", "findings", "isolated_for", "check"]
    assert (shown["check"]["state"], shown["check"]["exit_code"]) == ("critical", 2)
    assert [(one["check"], one["state"], one["value"]) for one in shown["check"]["results"]] == [
        ("expect-workers", "critical", 1),
        ("max-backlog", "ok", 0),
    ]
    assert run_json("status")["check"] == {"state": "ok", "exit_code": 0, "results": []}


def test_check_prints_a_plugins_output_instead_of_tables(listener: FakeListener) -> None:
    done = run("status", "--check", "--expect-workers", "1", "--max-backlog", "100,1000")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "GOSSIP OK: 1 worker, 1 queue, no problems detected | workers=1;;1:;0 backlog=0;100;1000;0\n"
    )


def test_refused_messages_are_counted_on_stderr(listener: FakeListener) -> None:
    listener.rejected.update({"unsigned": 3, "malformed": 1})
    assert run("status").stderr == "messages refused: malformed 1, unsigned 3\n"


def test_settings_of_findings_are_read_from_a_file(listener: FakeListener, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('mute = ["failing"]')
    assert run("status", "--rules", str(file)).exit_code == 0 and "failing" in listener.rules.general.mute
    assert run("status").exit_code == 0 and listener.rules is None
    file.write_text('mute = ["failings"]')
    done = run("status", "--rules", str(file))
    assert done.exit_code == 3 and "Invalid value for '--rules'" in done.stderr and "did you mean" in done.stderr
    file.write_text("")
    done = run("status", "--rules", str(file), "--server", "http://127.0.0.1:1/")
    assert done.exit_code == 3 and "expected without --server" in done.stderr


def test_every_option_can_be_given_in_the_environment(listener: FakeListener) -> None:
    assert run("status", env={"CELERY_GOSSIP_STATUS_EXPECT_WORKERS": "2"}).exit_code == 2
