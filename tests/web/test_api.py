"""The JSON API, /metrics, /healthz and the page's files, as a script or a browser requests them."""

import asyncio
import re
import threading
from collections.abc import Iterator

import httpx
import pytest

from celery_gossip.transport.oldest_message import ExactAge
from celery_gossip.web.metrics_page import MetricsPage
from celery_gossip.web.monitoring import Monitoring
from celery_gossip.web.route_table import RouteTable
from celery_gossip.web.static import Assets
from celery_gossip.wire.histogram import bucket_index
from celery_gossip.wire.messages import Resources, RunningTask
from tests.unit.build import a_check, a_histogram, a_series
from tests.web.served import Served

STATIC = Assets().static
MAIN = f"/{STATIC}/main.js"


@pytest.mark.parametrize("name", ["queues", "workers", "tasks"])
def test_each_list_has_its_rows_and_each_row_its_own_path(served: Served, name: str) -> None:
    listed = served.get(f"/api/{name}").json()
    assert listed["now"] > 1e9 and listed[name]
    for row in listed[name]:
        key = row.get("hostname") or row["name"]
        detail = served.get(f"/api/{name}/0/{key.replace('/', '%2F')}").json()
        assert detail[name[:-1]] == row and "steps" in detail


def test_running_tasks_are_found_by_id_name_queue_and_worker(served: Served) -> None:
    tasks = (RunningTask(0, 90.0, 1), RunningTask(1, 3.0))
    check = a_check("mail", active=("id-1", "id-2"), active_count=2, tasks=tasks)
    served.fleet.report("celery@running", checks=(check,), names=("shop.pack", "shop & send"), active=2)
    served.fleet.clock.advance(2)

    def ids(**selection: str) -> list[str]:
        answer = served.get("/api/running", params={"worker": "celery@running", **selection}).json()
        assert answer["total"] == len(answer["runs"])
        return [run["id"] for run in answer["runs"]]

    assert ids() == ["id-1", "id-2"]
    assert ids(task="shop & send") == ids(task="id-2") == ["id-2"]
    assert ids(queue="other") == ids(worker="other") == ids(task="nothing") == []
    detail = served.get("/api/tasks/0/shop.pack").json()
    assert [(run["id"], run["retries"]) for run in detail["runs"]] == [("id-1", 1)] and detail["task"]["running"] == 1


def test_a_worker_has_its_last_reports(served: Served) -> None:
    for number in range(3):
        resources = Resources(rss=100, memory_used=2048 * (number + 1)) if number != 1 else None
        served.fleet.report("celery@recorded", active=number, resources=resources)
        served.fleet.clock.advance(2)
    detail = served.get("/api/workers/0/celery@recorded").json()
    assert [(sample["active"], sample["memory_used"]) for sample in detail["recording"]] == [
        (0, 2048),
        (1, None),
        (2, 6144),
    ]
    assert detail["worker"]["resources"]["memory_used"] == 6144
    (row,) = [row for row in served.get("/api/workers").json()["workers"] if row["hostname"] == "celery@recorded"]
    assert row["resources"] == detail["worker"]["resources"]


def test_a_name_that_is_not_in_the_view_is_not_found(served: Served) -> None:
    response = served.get("/api/queues/0/nothing")
    assert (response.status_code, response.json()) == (404, {"error": "this queue is not in the view"})
    assert served.get("/api/queues/7/mail").status_code == 404


@pytest.mark.parametrize("backlog", [0, None])
def test_a_queue_that_is_known_but_in_no_use_has_a_row_of_zeros(served: Served, backlog: int | None) -> None:
    """An autoscaler asks for it before the first worker starts."""
    served.fleet.configured.add("idle")
    served.fleet.cluster.set_queue_lengths({"idle": backlog, "seen": 0}, served.fleet.clock.now)
    for name in ("idle", "seen"):
        answer = served.get(f"/api/queues/0/{name}").json()
        queue, length = answer["queue"], backlog if name == "idle" else 0
        assert (queue["name"], queue["workers"], queue["active"], queue["load"]) == (name, 0, 0, 0.0)
        assert queue["backlog"] == queue["oldest_age_min"] == queue["oldest_age_max"] == length
        assert (answer["workers_needed"], answer["exact"], answer["checks"]) == (length, None, [])


def test_a_scaler_gets_the_workers_that_finish_the_tasks_in_time(served: Served) -> None:
    fleet, counts = served.fleet, {"received": 40, "started": 40, "succeeded": 40}
    runtime = a_histogram((bucket_index(2.0), 40, 40), total=80.0)
    series = a_series("scaled", age=0.5, runtime=runtime, **counts)
    check = a_check("scaled", active_count=2, reserved=8)
    fleet.report("celery@scaled", checks=(check,), series=(series,), concurrency=2, active=2)
    fleet.cluster.set_queue_lengths({"scaled": 430}, fleet.clock.now)
    fleet.clock.advance(2)

    def needed(**query: float) -> object:
        return served.get("/api/queues/0/scaled", params=query).json()["workers_needed"]

    assert needed() == 8  # 440 tasks of 2 s in a minute: 14.7 slots, two on each worker
    assert [needed(target_seconds=target) for target in (6, 600)] == [74, 1]
    assert needed(slots=8) == 2
    for query in ({"target_seconds": 0}, {"target_seconds": 86_401}, {"target_seconds": "soon"}, {"slots": -1}):
        assert served.get("/api/queues/0/scaled", params=query).status_code == 400


def test_the_workers_needed_are_unknown_where_no_task_has_ended(served: Served) -> None:
    served.fleet.report("celery@new", checks=(a_check("new"),))
    served.fleet.cluster.set_queue_lengths({"new": 3, "nobody": 3}, served.fleet.clock.now)
    served.fleet.clock.advance(2)
    assert served.get("/api/queues/0/new").json()["workers_needed"] is None
    assert served.get("/api/queues/0/nobody").json()["workers_needed"] == 1  # from zero


def test_the_exact_age_is_read_only_on_request(served: Served) -> None:
    served.fleet.exact["mail"] = ExactAge(12.5)
    assert served.get("/api/queues/0/mail").json()["exact"] is None
    assert served.get("/api/queues/0/mail?exact=true").json()["exact"] == {"age": 12.5, "reason": ""}
    served.fleet.exact["mail"] = ExactAge(None, "it is not Redis")
    assert served.get("/api/queues/0/mail?exact=1").json()["exact"] == {"age": None, "reason": "it is not Redis"}


def test_a_path_that_does_not_exist_is_not_found(served: Served) -> None:
    for path in ("/api/nothing", "/api/queues/0", "/static/nothing", "/%0Aqueues"):
        response = served.get(path)
        assert (response.status_code, response.json()["error"]) == (404, "no such path; see api/openapi.json")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("of=queues", "of: expected queue:SOURCE/NAME, "),
        ("of=nothing", "of: expected queue:SOURCE/NAME, "),
        ("of=pace:&of=pace:", "of: expected once"),
        *(
            (f"window={window}", "window: expected seconds above 0, at most 10800, got '")
            for window in ("0", "x", "1e9", "nan", "-inf", "", "1_0", "%2B5", "10801")
        ),
    ],
)
def test_an_invalid_parameter_is_a_bad_request_that_says_what_was_expected(
    served: Served, query: str, error: str
) -> None:
    response = served.get(f"/api/steps?{query}")
    assert response.status_code == 400 and response.json()["error"].startswith(error)


def test_a_chart_is_of_all_apps_or_of_one_subject(served: Served) -> None:
    for of in ("pace:", "pace:0", "queue:0/mail", "worker:0/celery@web1", "task:0/shop.pack"):
        assert len(served.get("/api/steps", params={"of": of, "window": "90"}).json()["steps"]) == 1


def test_health_fails_while_reports_of_a_broker_are_not_received(served: Served) -> None:
    assert (served.get("/healthz").status_code, served.get("/healthz").text) == (200, "ok\n")
    served.fleet.cluster.set_isolated(served.fleet.clock.now)
    served.fleet.clock.advance(2)
    assert served.get("/healthz").status_code == 503
    served.fleet.cluster.clear_isolated(served.fleet.clock.now)
    served.fleet.connected_at = None
    served.fleet.clock.advance(2)
    assert served.get("/healthz").status_code == 503


def test_metrics_are_those_of_the_source(served: Served) -> None:
    assert served.get("/metrics").text == served.get("/metrics?source=0").text == "up 1\n"
    assert served.get("/metrics?source=9").status_code == 404


def test_without_the_prometheus_client_there_are_no_metrics(served: Served) -> None:
    served.monitoring.metrics = {}
    assert served.get("/metrics").status_code == 501


def test_every_other_path_is_the_page_whose_files_are_cached_by_version(served: Served) -> None:
    page = served.get("/queues/0/mail")
    assert page.status_code == 200 and '<base href="/">' in page.text
    assert page.headers["cache-control"] == "no-store"
    linked = re.findall(r'(?:href|src)="(static/[^"]+)"', page.text)
    assert len(linked) > 30 and MAIN[1:] in linked
    for path in linked:
        response = served.get(f"/{path}")
        assert response.status_code == 200 and "immutable" in response.headers["cache-control"], path
    for path in ("nothing.js", "..%2f__init__.py", "..%2findex.html", "index.html"):
        assert served.get(f"/{STATIC}/{path}").status_code == 404, path
    other = served.get("/static/0123456789abcdef/main.js")  # of an older or newer server
    assert (other.status_code, other.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize("name", [".", "..", "a/../b", "%2e", "?", "#", " "])
def test_any_name_can_be_given_in_the_query(served: Served, name: str) -> None:
    served.fleet.report("celery@web9", checks=(a_check(name),))
    assert served.get("/api/queues/0/", params={"name": name}).json()["queue"]["name"] == name


def test_the_head_of_an_event_stream_ends(served: Served) -> None:
    response = served.request("HEAD", "/api/events?topic=fleet")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


def test_concurrent_scrapes_are_rendered_once_on_a_thread_of_their_own(served: Served) -> None:
    may_end, rendered = threading.Event(), []

    def render() -> bytes:
        rendered.append(threading.current_thread().name)
        assert may_end.wait(10)
        return b"up 1\n"

    served.monitoring.close()
    served.monitoring = Monitoring(served.broadcaster, {"0": render})
    served.table = RouteTable(served.api, served.monitoring, Assets())
    served.serve(None)

    async def scrape() -> list[httpx.Response]:
        scrapes = [asyncio.create_task(served.request_async("GET", "/metrics")) for _ in range(50)]
        while not rendered:
            await asyncio.sleep(0.01)
        others = [await served.request_async("GET", path) for path in ("/api/queues", "/healthz", "/api/overview")]
        scrapes.pop().cancel()  # a client that disconnects does not affect the others
        may_end.set()
        return [*others, *await asyncio.gather(*scrapes), await served.request_async("GET", "/metrics")]

    assert {response.status_code for response in asyncio.run(scrape())} == {200}
    (name,) = rendered
    assert name.startswith("celery-gossip-metrics")


def test_a_scrape_that_fails_is_rendered_again_by_the_next() -> None:
    results: Iterator[Exception | bytes] = iter([ZeroDivisionError(), b"up 1\n"])

    def render() -> bytes:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    async def scrape() -> bytes:
        pages = MetricsPage({"0": render})
        with pytest.raises(ZeroDivisionError):
            await pages.body("0")
        try:
            return await pages.body("0")
        finally:
            pages.close()

    assert asyncio.run(scrape()) == b"up 1\n"
