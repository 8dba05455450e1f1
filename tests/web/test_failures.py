"""Failures in the API and in the topics of the event stream, and the template of links to another tool."""

from typing import Any

import pytest

from celery_gossip.errors import InvalidOption
from celery_gossip.web import WebOptions
from celery_gossip.web.subject import build_tables
from celery_gossip.web.topic import Topic, parse_topic
from celery_gossip.wire.messages import TaskFailure
from tests.web.fake_fleet import NOW, WALL, FakeFleet
from tests.web.served import Served

NAMES = ("shop.pay", "mail", "KeyError", "shop.tasks:pay:41")


def a_failure(number: int = 1, **fields: Any) -> TaskFailure:
    values = {"task": 0, "queue": 1, "exception": 2, "id": f"id-{number}", "age": 0.0, **fields}
    return TaskFailure(number=number, **values)


def failing(fleet: FakeFleet, *failures: TaskFailure, hostname: str = "celery@web1") -> None:
    fleet.report(hostname, names=NAMES, failures=failures)


def test_failures_are_listed_in_groups_and_each_group_has_its_own_path(served: Served) -> None:
    assert served.get("/api/failures").json()["failures"] == []
    details = a_failure(2, message="no stock", frames=(3,), own_frame=0, runtime=0.5, retries=1)
    failing(served.fleet, details)
    served.fleet.clock.advance(10)
    failing(served.fleet, a_failure(4, message="none", frames=(3,), own_frame=0), details)
    served.fleet.clock.advance(2)
    answer = served.get("/api/failures").json()
    (group,) = answer["failures"]
    assert (group["task"], group["exception"], group["line"]) == ("shop.pay", "KeyError", "shop.tasks:pay:41")
    assert (group["count"], group["last_hour"], group["message"]) == (2, 2, "none")
    assert group["last_at"] - group["first_at"] == pytest.approx(10.0, abs=0.2)
    assert answer["failure_totals"] == [{"source": "0", "kept": 2, "displaced": 0, "unlisted": 1}]
    detail = served.get(f"/api/failures/0/{group['key']}").json()
    assert detail["failure"] == group
    latest, first = detail["cases"]
    assert (latest["id"], first["id"], first["message"], first["runtime"]) == ("id-4", "id-2", "no stock", 0.5)
    assert first["traceback"] == ["shop.tasks:pay:41"] and first["hostname"] == "celery@web1"


def test_failures_are_found_by_task_queue_and_worker(served: Served) -> None:
    failing(served.fleet, a_failure(1), hostname="celery@failing1")
    failing(served.fleet, a_failure(2, task=2, queue=3), hostname="celery@failing2")
    served.fleet.clock.advance(2)

    def tasks(**selection: str) -> list[str]:
        return sorted(row["task"] for row in served.get("/api/failures", params=selection).json()["failures"])

    assert tasks() == ["KeyError", "shop.pay"]
    assert tasks(task="shop.pay") == tasks(task="id-1") == tasks(queue="mail") == ["shop.pay"]
    assert tasks(worker="celery@failing2") == ["KeyError"] and tasks(queue="none") == []


@pytest.mark.parametrize("path", ["/api/failures/0/0123456789abcdef", "/api/failures/7/0123456789abcdef"])
def test_a_group_that_is_not_kept_is_not_found(served: Served, path: str) -> None:
    assert served.get(path).status_code == 404


def test_a_topic_changes_only_if_something_happens() -> None:
    fleet = FakeFleet(now=NOW + 40)
    failing(fleet, a_failure(1, message="why"))
    sampler = fleet.sampler()

    def tables(topic: str) -> Any:
        return build_tables(parse_topic(topic), {"0": sampler.sample()}, {"0": fleet})

    listed = Topic(1, tables("failures"))
    (key,) = tables("failures")["failures"]
    single = Topic(1, tables(f"failure:{key}"))
    fleet.clock.advance(30)
    assert listed.diff_to(tables("failures")) is None and single.diff_to(tables(f"failure:{key}")) is None
    failing(fleet, a_failure(2, message="why"))
    assert listed.diff_to(tables("failures")) is not None
    assert len(tables(f"failure:{key}")["cases"]) == 2
    assert tables("failures")["failures"][key].last_at == pytest.approx(WALL + NOW + 70, abs=0.1)
    assert all(not rows for rows in tables("failure:7/x").values())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://sentry.example/?query={id}",
        "http://127.0.0.1:5555/task/{id}",
        "https://logs.example/#/{id}/{id}",
        "https://[::1]:8080/x?a=b&id={id}",
    ],
)
def test_a_template_of_an_address_is_accepted(text: str) -> None:
    assert WebOptions(task_url=text).task_url == text


@pytest.mark.parametrize(
    "text",
    [
        "https://sentry.example/",
        "https://{id}.example/",
        "https://{id}@sentry.example/",
        "https://ann:secret@sentry.example/{id}",
        "javascript:alert('{id}')",
        "data:text/html,{id}",
        "//sentry.example/{id}",
        "/tasks/{id}",
        "https:///{id}",
        "https://sentry.example/{id}/{name}",
        "https://sentry.example/{{id}}",
        "https://sentry.example/ {id}",
        "https://sentry.example/\n{id}",
        "https://sentry.ex\u0430mple/{id}",
        "https://[::1/{id}",
        "https://sentry.example/{id}" + "x" * 2000,
    ],
)
def test_what_is_no_template_of_a_web_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"^task_url: expected an http or https URL with \{id\}"):
        WebOptions(task_url=text)


def test_the_page_gets_the_template(served: Served) -> None:
    assert served.get("/api/config").json()["task_url"] == ""
    served.api.task_url = "https://sentry.example/{id}"
    assert served.get("/api/config").json()["task_url"] == "https://sentry.example/{id}"
