"""Details of single workers in `status --worker`: of a listener and of a dashboard, as text and JSON."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, get_type_hints

import msgspec
import pytest

from celery_gossip.cluster.view import View
from celery_gossip.console import worker_detail as module
from celery_gossip.console.dashboard_report import report_from, worker_paths
from celery_gossip.console.status import report_text
from celery_gossip.console.worker_detail import detail_paths, detail_rows, details_json, details_text, not_in_view
from celery_gossip.web import schema
from celery_gossip.wire.messages import Setting, Settings, Software
from tests.unit.build import a_check, a_gossip
from tests.unit.cli.fakes import FakeListener, run, run_json, use_listener
from tests.unit.console.test_dashboard_report import answers
from tests.unit.console.views import a_report, a_view, a_worker

NAMES = ("shop.pack", "shop.\x1bsend")
SOFTWARE = Software(
    release="v42", celery="5.7.0", python="3.13.1", settings=Settings(task_acks_late=True, task_time_limit=60.0)
)
WORKER = msgspec.structs.replace(
    a_worker(),
    gossip=a_gossip(checks=(a_check("mail"), a_check("bulk", paused=True))),
    software=SOFTWARE,
    pid=17,
    started_at=-100.0,
    heard_at=899.0,
    configuration=(Setting("timezone", "UTC"), Setting("broker_heartbeat", 120.0), Setting("enable_utc", False)),
)
HOST = WORKER.hostname


def view() -> View:
    return replace(a_view(WORKER), taken_at=900.0)


def rows() -> Any:
    return detail_rows(view(), [HOST, "celery@none", HOST], lambda hostname: NAMES)


def test_the_text_has_what_is_known_of_a_worker() -> None:
    assert details_text(rows(), is_labelled=False).splitlines() == [
        f"{HOST}: online",
        "  PID               17",
        "  up for            17m",
        "  release           v42",
        "  versions          Celery 5.7.0, Python 3.13.1",
        "  paused queues     bulk",
        "  configuration",
        "    broker_heartbeat = 120",
        "    enable_utc = no",
        "    task_acks_late = yes",
        "    task_time_limit = 60",
        "    timezone = UTC",
        "  registered tasks  2",
        "    shop.pack",
        r"    shop.\x1bsend",
    ]


def test_what_a_worker_does_not_report_is_unknown() -> None:
    (row,) = detail_rows(a_view(a_worker()), [HOST], lambda hostname: ())
    text = details_text([row], is_labelled=False)
    assert text.count("unknown") == 6 and "--wait 130" in text and "paused queues     none" in text


def test_a_lost_worker_was_up_until_its_last_report() -> None:
    lost = msgspec.structs.replace(WORKER, state="lost", heard_at=100.0)
    (row,) = detail_rows(replace(a_view(lost), taken_at=900.0), [HOST], lambda hostname: ())
    assert row.uptime == 200.0


def test_the_json_has_the_same() -> None:
    (one,) = json.loads(json.dumps(details_json(rows())))
    assert (one["hostname"], one["pid"], one["uptime"], one["paused"]) == (HOST, 17, 1000.0, ["bulk"])
    assert one["configuration"]["task_time_limit"] == 60.0 and one["task_names"] == list(NAMES)
    assert "source" not in one


def test_a_worker_that_is_not_in_the_view_is_named() -> None:
    assert not_in_view(rows(), [HOST, "celery@none", "x\x1b"]) == [
        "no worker celery@none has reported",
        r"no worker x\x1b has reported",
    ]


def test_the_command_shows_them_after_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    class Listener(FakeListener):
        @property
        def cluster(self) -> Any:
            names = SimpleNamespace(task_names=lambda hostname: NAMES)
            return SimpleNamespace(**vars(super().cluster), **vars(names))

    use_listener(monkeypatch, Listener(view()))
    done = run("status", "--worker", HOST, "--worker", "celery@none")
    assert "  PID               17" in done.stdout and "no worker celery@none" in done.stderr
    assert "PID" not in run("status").stdout
    shown = run_json("status", "--worker", HOST)
    assert [one["hostname"] for one in shown["details"]] == [HOST]
    assert (shown["workers"][0]["pid"], shown["workers"][0]["uptime"]) == (17, 999.0)
    assert shown["workers"][0]["configuration"]["timezone"] == "UTC"


def a_detail(**fields: Any) -> bytes:
    worker = {
        "source": "0",
        "hostname": HOST,
        "state": "online",
        "release": "v42",
        "paused": ["bulk"],
        "software": {"celery": "5.7.0", "kombu": "", "python": "", "gossip": "", "tasks": 3},
        **fields,
    }
    return json.dumps({"now": 2000.0, "worker": worker, "runs": []}).encode()


def test_a_dashboard_is_asked_for_the_worker_on_each_of_its_sources() -> None:
    overview = answers()["api/overview"]
    (path,) = worker_paths(overview, [HOST])
    assert path == f"api/workers/0/{HOST.replace('@', '%40')}"
    assert detail_paths(["0"], ["a/b?c", ".."]) == ("api/workers/0/a%2Fb%3Fc", "api/workers/0/?name=..")
    known = {"pid": 17, "started_at": 1000.0, "configuration": {"enable_utc": True}, "task_names": ["shop.pack"]}
    report, _ = report_from({**answers(), path: a_detail(**known)}, 0.0)
    (row,) = report.details or ()
    assert (row.pid, row.uptime, row.configuration) == (17, 1000.0, {"enable_utc": True})
    assert row.task_names == ("shop.pack",)
    assert "versions          Celery 5.7.0" in report_text(report)
    report, _ = report_from({**answers(), path: a_detail()}, 0.0)  # an older dashboard
    (row,) = report.details or ()
    assert (row.pid, row.uptime, row.configuration, row.task_names) == (None, None, {}, ())
    with pytest.raises(ValueError, match="api/workers/0/.* is not the JSON of a dashboard"):
        report_from({**answers(), path: b"{}"}, 0.0)


def test_the_columns_are_those_of_the_dashboard() -> None:
    ours, theirs = get_type_hints(module._Worker), get_type_hints(schema.Worker)
    assert [name for name in ours if name not in theirs] == []


def test_a_report_without_details_has_none_in_its_text() -> None:
    assert "PID" not in report_text(a_report())
