"""Commands to workers: who may send them, to which workers they go, and which requests are refused."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from celery_gossip import signals
from tests.web.served import ANN, Served


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
