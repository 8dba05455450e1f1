"""What both show when workers end, a monitor starts again, and the broker stops. Each test ends workers of its own."""

import pytest

from tests.support import eventually
from tests.web.beside.conftest import Beside
from tests.web.beside.record import row
from tests.web.web_command import running_dashboard

pytestmark = [pytest.mark.redis, pytest.mark.timeout(240)]  # the first test starts everything


@row(
    "Shut a worker down, and see that it has",
    flower='one worker, *Actions*, *Shut Down*: at once, without a question; then "Offline", like a crash',
    ours="one worker, *Shut down…*: shows the tasks that still run, and asks; draining, then *offline*; confirmed by "
    "its last report",
    verdict="better",
)
def test_a_worker_is_shut_down(beside: Beside) -> None:
    theirs, ours = (beside.scene.workers[name] for name in ("spare", "auto"))
    with beside.flower.asked() as page:
        page.open_worker(theirs.node)
        page.click("Actions")
        page.click("Shut Down")
        page.find_toast()
        assert theirs.process.wait(40) == 0
        page.open("workers")
        page.find_row(beside.tail(theirs.node), "Offline")
    with beside.ours.asked() as page:
        page.open_worker(ours.node)
        page.click("Shut down…")
        page.confirm("Shut down", "confirmed")
        page.find("offline")
        assert ours.process.wait(40) == 0


@row(
    "A worker was killed: which, and what became of its tasks?",
    flower='"Offline", like a worker that was shut down; its task stays "STARTED"',
    ours="*lost*, with its last reports and what it ran; a finding; the task was running when its worker was lost",
    verdict="better",
)
def test_a_killed_worker_and_its_task_are_lost(beside: Beside) -> None:
    worker = beside.scene.workers["doomed"]
    task = beside.scene.hang("doomed")
    eventually(lambda: assert_started(beside, task), 30)
    with beside.ours.asked() as page:
        page.open_task(task)
        page.find("runs for", worker.node)
        worker.kill()
        page.find("when its worker was lost")
        page.open("workers")
        page.find_row(worker.node, "lost")
    with beside.flower.asked() as page:
        page.open("workers")
        page.find_row(beside.tail(worker.node), "Offline")
        page.open_task(task)
        page.find("STARTED", worker.node)


def assert_started(beside: Beside, task: str) -> None:
    assert beside.flower.get(f"api/task/info/{task}").json()["state"] == "STARTED"


@row(
    "What is known after the monitor has started again?",
    flower="with `--persistent`, all tasks that it has seen: from a file, which it writes when it stops",
    ours="workers, queues, and tasks that run or wait, within a second; settings of workers within two minutes; "
    "failures, charts and the activity log begin again",
    verdict="worse",
    reason="nothing is written to disk; Prometheus keeps the history of the metrics",
)
def test_history_is_kept_only_by_flower(beside: Beside) -> None:
    scene = beside.scene
    beside.flower_process.stop()
    beside.flower_process.start()
    beside.flower_process.await_ready()
    with beside.flower.asked() as page:
        page.open_task(scene.failed)
        page.find("FAILURE", "OutOfStock")
    with (
        running_dashboard(scene.project, "--auth", beside.password_option) as dashboard,
        beside.ours.at(dashboard.url).asked() as page,
    ):
        page.log_in()
        page.open_task(scene.hung)
        page.find("runs for", scene.node("busy"))
        page.open_task(scene.failed)
        page.find("in the last")


@row(
    "The broker does not answer: what is shown?",
    flower='all workers become "Offline", without a reason; `/healthcheck` says OK',
    ours="a banner: cut off from the broker; workers keep the state that was known last; `/healthz` fails",
    verdict="better",
)
def test_a_broker_that_stops_is_not_a_fleet_that_dies(beside: Beside, request: pytest.FixtureRequest) -> None:
    node = beside.scene.node("busy")
    beside.ours.open("workers")
    beside.ours.find_row(node, "online")
    beside.scene.broker.freeze()
    request.addfinalizer(beside.scene.broker.thaw)
    with beside.ours.asked() as page:
        page.find("Isolated for")
        page.find_row(node, "online")
        status = eventually(lambda: assert_unhealthy(beside), 40)
        page.note(f"/healthz: {status}")
    with beside.flower.asked() as page:
        page.open("workers")
        page.find_row(beside.tail(node), "Offline")
        answer = page.get("healthcheck")
        assert (answer.status_code, answer.text) == (200, "OK")
        page.note("/healthcheck: OK")


def assert_unhealthy(beside: Beside) -> int:
    status = beside.ours.get("healthz").status_code
    assert status == 503
    return status
