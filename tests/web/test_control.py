"""Commands to workers: who may send them, to which workers they go, and which requests are refused."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from celery_gossip import signals
from tests.unit.build import a_check
from tests.web.served import ANN, Served, stream_events


def test_without_control_no_command_is_sent(served: Served) -> None:
    config = served.get("/api/config").json()
    assert (config["may_control"], config["csrf"]) == (False, "")
    assert served.send_command(act="pause", queue="mail").status_code == 403


def test_a_queue_is_paused_on_the_workers_that_serve_it(controlled: Served) -> None:
    response = controlled.send_command(act="pause", queue="mail")
    assert response.status_code == 202
    assert response.json()["asked"] == ["celery@web1", "celery@web2"]
    assert response.json()["answers"]["celery@web1"] == "cancel_consumer done"
    assert controlled.send_command(act="resume", queue="mail", hostname="celery@web2").status_code == 202
    assert controlled.app.control.sent == [
        ("cancel_consumer", {"queue": "mail"}, ["celery@web1", "celery@web2"]),
        ("add_consumer", {"queue": "mail"}, ["celery@web2"]),
    ]


def test_a_pool_grows_and_shrinks_on_one_worker(controlled: Served) -> None:
    for act, n in (("grow", 2), ("shrink", 2.0)):
        assert controlled.send_command(act=act, hostname="celery@web3", n=n).status_code == 202
    assert controlled.send_command(act="grow", hostname="celery@web3").status_code == 202
    assert controlled.app.control.sent == [
        ("pool_grow", {"n": 2}, ["celery@web3"]),
        ("pool_shrink", {"n": 2}, ["celery@web3"]),
        ("pool_grow", {"n": 1}, ["celery@web3"]),
    ]
    assert all(type(arguments["n"]) is int for _, arguments, _ in controlled.app.control.sent)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ({"act": "explode", "queue": "mail"}, 400),
        ({"act": "pause"}, 400),
        ({"act": "pause", "queue": ""}, 400),
        ({"act": "pause", "queue": "not served"}, 404),
        ({"act": "pause", "queue": "mail", "hostname": "celery@web3"}, 404),
        ({"act": "grow"}, 422),
        ({"act": "grow", "hostname": "celery@web1", "n": 0}, 400),
        ({"act": "grow", "hostname": "celery@web1", "n": 101}, 400),
        ({"act": "grow", "hostname": "celery@web1", "n": 1.5}, 400),
        ({"act": "grow", "hostname": "celery@web1", "n": "many"}, 400),
        ({"act": "pause", "queue": "mail", "source": "9"}, 404),
        ({"act": "pause", "queue": "mail", "shell": "rm"}, 400),
    ],
)
def test_an_invalid_command_reaches_no_worker(controlled: Served, command: dict[str, Any], status: int) -> None:
    response = controlled.send_command(**command)
    assert response.status_code == status and response.json()["error"]
    assert controlled.app.control.sent == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Gossip-CSRF": "guess"}, 403),
        ({}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
def test_a_forged_command_reaches_no_worker(controlled: Served, headers: dict[str, str], status: int) -> None:
    known = {"Content-Type": "application/json"} | ({"X-Gossip-CSRF": controlled.api.csrf} if status != 403 else {})
    body = json.dumps({"act": "pause", "source": "0", "queue": "mail"})
    response = controlled.request("POST", "/api/control", content=body, headers={**known, **headers}, auth=ANN)
    assert response.status_code == status
    assert controlled.app.control.sent == []


@pytest.mark.parametrize(
    ("content", "status"), [(b"{" * 9_000, 400), (b"[" * 524_289, 413), (b"", 400), (b"\xff", 400)]
)
def test_a_body_that_is_no_command_is_refused(controlled: Served, content: bytes, status: int) -> None:
    headers = {"X-Gossip-CSRF": controlled.api.csrf, "Content-Type": "application/json"}
    response = controlled.request("POST", "/api/control", content=content, headers=headers, auth=ANN)
    assert response.status_code == status and response.json()["error"].startswith("body: ")


def test_a_body_that_does_not_arrive_in_time_is_refused(controlled: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.web.endpoint._BODY_TIMEOUT", 0.05)

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    headers = {"X-Gossip-CSRF": controlled.api.csrf, "Content-Type": "application/json"}
    response = controlled.request("POST", "/api/control", content=drip(), headers=headers, auth=ANN)
    assert response.status_code in (408, 413)


def test_an_error_of_the_broker_is_reported_without_its_address(controlled: Served) -> None:
    controlled.app.control.error = ConnectionRefusedError("redis://user:secret@host")
    response = controlled.send_command(act="pause", queue="mail")
    assert response.status_code == 502 and "secret" not in response.text


def test_each_command_is_logged_and_signalled(controlled: Served, caplog: pytest.LogCaptureFixture) -> None:
    received = []

    def on_control(sender: Any, **data: Any) -> None:
        received.append(data)

    with signals.control_asked.connected_to(on_control), caplog.at_level(logging.INFO):
        controlled.send_command(act="pause", queue="mail", hostname="celery@web1")
        controlled.send_command(act="grow", hostname="celery@web1", n=2)
    sent = {"user": "ann", "hostnames": ("celery@web1",), "task_ids": ()}
    assert received == [
        {**sent, "act": "pause", "queue": "mail", "activity_id": 1},
        {**sent, "act": "grow", "queue": None, "activity_id": 2},
    ]
    assert "ann requests pause 'mail' on celery@web1" in caplog.text
    assert "ann requests grow by 2 on celery@web1" in caplog.text


def test_a_preview_names_the_workers_and_sends_nothing(controlled: Served) -> None:
    controlled.fleet.report("celery@web4", pool="solo", checks=(a_check("mail"),))
    hosts = ["celery@web1", "celery@web4", "celery@gone"]
    response = controlled.send_command("?preview=true", act="grow", hostnames=hosts)
    assert response.status_code == 202
    assert response.json() == {
        "asked": ["celery@web1"],
        "answers": {},
        "errors": [],
        "refused": {"celery@gone": "it does not report", "celery@web4": "its pool, solo, has a fixed size"},
        "activity": None,
        "detail": "",
    }
    assert controlled.app.control.sent == []
    assert controlled.get("/api/activity", auth=ANN).json()["activity"] == []


def test_what_no_worker_can_obey_is_a_conflict(controlled: Served) -> None:
    controlled.fleet.report("celery@web4", pool="threads")
    response = controlled.send_command(act="grow", hostname="celery@web4")
    assert (response.status_code, response.json()["error"]) == (409, "celery@web4: its pool, threads, has a fixed size")


def test_the_log_lists_commands_with_their_outcome(controlled: Served) -> None:
    assert controlled.send_command(act="rate_limit", task="t", rate_limit="5/m").json()["activity"] == 1
    controlled.app.control.reply = {"error": "unknown task"}
    assert controlled.send_command(act="rate_limit", task="x", rate_limit="").json()["errors"] == [
        "celery@web1",
        "celery@web2",
        "celery@web3",
    ]
    listed = controlled.get("/api/activity", auth=ANN).json()["activity"]
    assert [(one["id"], one["user"], one["text"], one["outcome"]) for one in listed] == [
        (2, "ann", "rate_limit 'x' 0", "failed"),
        (1, "ann", "rate_limit 't' 5/m", "answered"),
    ]
    assert listed[0]["counts"] == {"failed": 3}
    one = controlled.get("/api/activity?number=1", auth=ANN).json()["activity"]
    assert [activity["id"] for activity in one] == [1]
    assert controlled.get("/api/activity?number=-1", auth=ANN).status_code == 400


def test_the_log_is_a_topic_of_the_event_stream(controlled: Served) -> None:
    controlled.send_command(act="purge", queue="mail", confirm="mail")

    async def first() -> dict[str, Any]:
        return await anext(stream_events(controlled.broadcaster, "activity"))

    tables = asyncio.run(first())["topics"]["activity"]["tables"]
    assert tables["activity"]["set"]["1"]["detail"] == "12 messages deleted"
    assert controlled.purged == ["mail"]
