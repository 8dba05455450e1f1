"""What an operator does. Each of the two does it, and the worker is asked for the effect."""

import pytest

from tests.support import eventually
from tests.web.beside.conftest import Beside
from tests.web.beside.record import row
from tests.web.web_command import USER

pytestmark = [pytest.mark.redis, pytest.mark.timeout(240)]  # the first test starts everything

LIMITED = "tests.support.project.nothing"


def assert_knows(beside: Beside, method: str, name: str, *texts: str) -> None:
    """Wait until the worker's reply to `celery inspect` contains the texts."""

    def has_them() -> None:
        reply = str(beside.scene.project.inspect(method, beside.scene.node(name)))
        assert all(text in reply for text in texts), (texts, reply)

    eventually(has_them, 30)


@row(
    "Revoke a task that waits",
    flower="one task, *Revoke*: at once, without a question",
    ours="one task and *Runs*, *Revoke…*: shows the workers and asks; then whether a report confirms it. Also for up "
    "to 100 tasks of a list",
    verdict="better",
)
def test_a_waiting_task_is_revoked(beside: Beside) -> None:
    theirs, ours = (beside.scene.send("nap", 1.0, to="idle", countdown=3600) for _ in range(2))
    assert_knows(beside, "scheduled", "idle", theirs, ours)
    with beside.flower.asked() as page:
        page.open_task(theirs)
        page.click("Revoke")
        page.find_toast()
    with beside.ours.asked() as page:
        page.open_task(ours)
        page.find("waits for its ETA")
        page.click("Revoke…")
        page.choose("revoke")
        page.confirm("Send")
    assert_knows(beside, "revoked", "idle", theirs, ours)


@row(
    "End a task that hangs",
    flower="one task, *Terminate*: SIGTERM",
    ours="one task, *Revoke…*, terminate: with TERM, KILL, QUIT or ABRT; confirmed when the task is gone from the "
    "reports",
    verdict="better",
)
def test_a_hung_task_is_terminated(beside: Beside) -> None:
    theirs, ours = (beside.scene.hang("idle") for _ in range(2))
    assert_knows(beside, "active", "idle", theirs, ours)
    with beside.flower.asked() as page:
        page.open_task(theirs)
        page.reload_until("STARTED")
        page.click("Terminate")
        page.find_toast()
    with beside.ours.asked() as page:
        page.open_task(ours)
        page.find("runs for")
        page.click("Revoke…")
        page.confirm("Send", "confirmed")

    def assert_ended() -> None:
        assert beside.scene.project.inspect("active", beside.scene.node("idle")) == []

    eventually(assert_ended, 30)


@row(
    "Grow or shrink a pool",
    flower="one worker, *Pool*: a number; the page shows the new size after it is opened again",
    ours="one worker: a number; done when a report shows the new size. Not offered for pools of a fixed size",
    verdict="better",
)
def test_a_pool_grows_and_shrinks(beside: Beside) -> None:
    node = beside.scene.node("idle")
    beside.ours.open_worker(node)
    beside.ours.find("0/2")  # processes that an earlier test has terminated were replaced
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.click("Grow")
        page.find_toast()
    with beside.ours.asked() as page:
        page.open_worker(node)
        page.find("0/3")
        page.click("Shrink")
        page.find("0/2")


@row(
    "Change the limits of an autoscaler",
    flower="one worker, *Pool*: two numbers",
    ours="one worker, *Autoscale…*; with the outcome",
    verdict="equal",
)
def test_the_limits_of_an_autoscaler_change(beside: Beside) -> None:
    node = beside.scene.node("auto")
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.fill("#min-autoscale", "1")
        page.fill("#max-autoscale", "3")
        page.click("Apply")
        page.find_toast()
    with beside.ours.asked() as page:
        page.open_worker(node)
        page.click("Autoscale…")
        page.fill("dialog input[max='10000'][min='1']", "4")
        page.confirm("Set limits")
    assert_knows(beside, "stats", "auto", "'max': 4")


@row(
    "Restart the processes of a pool",
    flower="one worker, *Actions*, *Restart Pool*; with the worker's error, if `worker_pool_restarts` is off",
    ours="one worker, *Restart pool…*; the same error; not offered for pools that cannot",
    verdict="equal",
)
def test_a_pool_is_restarted(beside: Beside) -> None:
    node = beside.scene.node("auto")
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.click("Actions")
        page.click("Restart Pool")
        page.find_toast()
    with beside.ours.asked() as page:
        page.open_worker(node)
        page.click("Restart pool…")
        page.confirm("Restart")


@row(
    "Limit the rate of a task",
    flower="one worker, *Limits*: whole tasks per second",
    ours="one task name, *Rate limit…*: per second, minute or hour, on all workers or one",
    verdict="better",
)
def test_the_rate_of_a_task_is_limited(beside: Beside) -> None:
    know_task(beside)
    with beside.flower.asked() as page:
        page.open_worker(beside.scene.node("idle"))
        page.open_tab("limits")
        page.fill(f"input[aria-label='Rate limit for {LIMITED}']", "7")
        page.press_element(f"task-rate-limit-{LIMITED}")
        page.find_toast()
    assert_knows(beside, "registered", "idle", f"{LIMITED} [rate_limit=7]")
    with beside.ours.asked() as page:
        page.open(f"tasks/0/{LIMITED}")
        page.click("Rate limit…")
        page.fill("dialog input[type=text]", "90/m")
        page.confirm("Set limit")
    assert_knows(beside, "registered", "idle", f"{LIMITED} [rate_limit=90/m]")


@row(
    "Set time limits of a task",
    flower="one worker, *Limits*: soft or hard; each removes the other",
    ours="one task name, *Time limits…*: both, on all workers or one",
    verdict="better",
)
def test_the_time_of_a_task_is_limited(beside: Beside) -> None:
    know_task(beside)
    with beside.flower.asked() as page:
        page.open_worker(beside.scene.node("idle"))
        page.open_tab("limits")
        page.fill(f"input[aria-label='Timeout for {LIMITED}']", "50")
        page.press_element(f"task-timeout-hard-{LIMITED}")
        page.find_toast()
    with beside.ours.asked() as page:
        page.open(f"tasks/0/{LIMITED}")
        page.click("Time limits…")
        page.fill("dialog input[type=number]", "40")
        page.confirm("Set limits")


def know_task(beside: Beside) -> None:
    """Let both know the task by its name."""
    sent = beside.scene.send("nothing", to="idle")
    eventually(lambda: assert_received(beside, sent), 30)


def assert_received(beside: Beside, task_id: str) -> None:
    assert beside.flower.get(f"api/task/info/{task_id}").status_code == 200


@row(
    "Let a worker consume one more queue",
    flower="one worker, *Queues*: a name",
    ours="one worker, *Add consumer…*: a name, completed from known ones; confirmed by a report",
    verdict="better",
)
def test_a_consumer_is_added(beside: Beside) -> None:
    node = beside.scene.node("idle")
    theirs, ours = beside.scene.queue("more"), beside.scene.queue("extra")
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.open_tab("queues")
        page.fill("#add-consumer-name", theirs)
        page.click("Add")
        page.find_toast()
    with beside.ours.asked() as page:
        page.open_worker(node)
        page.click("Add consumer…")
        page.fill("dialog input[type=text]", ours)
        page.confirm("Add consumer", "confirmed")
        page.find_row(ours, "running")
    assert_knows(beside, "active_queues", "idle", theirs, ours)


@row(
    "Stop consuming a queue for a while, everywhere",
    flower="*Cancel Consumer*, worker by worker; what was cancelled has to be remembered, because no page shows it",
    ours="one queue, *Pause all* and *Resume all*; the queue is shown as paused on every page",
    verdict="better",
)
def test_a_queue_is_paused(beside: Beside) -> None:
    node, queue = beside.scene.node("spare"), beside.scene.queue("spare")
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.open_tab("queues")
        page.press_element(f"worker-cancel-consumer-{queue}")
        page.find_toast()
    with beside.ours.asked() as page:
        page.open(f"queues/0/{queue}")
        page.find("paused")  # by Flower
        page.click("Resume all")
        page.confirm("Resume all", "confirmed")
        page.find_row(node, "online")
    assert_knows(beside, "active_queues", "spare", queue)


@row(
    "Delete the messages that wait in a queue",
    flower="no",
    ours="one queue, *Purge…*, after its name was typed",
    verdict="better",
)
def test_a_queue_is_purged(beside: Beside) -> None:
    queue = beside.scene.queue("waste")
    for _ in range(2):
        beside.scene.send("nothing", to="waste")
    with beside.flower.asked() as page:
        page.open("broker")
        page.find("Messages")
        assert not page.has("purge")
        page.note("no such button")
    with beside.ours.asked() as page:
        page.open(f"queues/0/{queue}")
        page.click("Purge…")
        page.fill("dialog input[type=text]", queue)
        page.confirm("Delete the messages", "2 messages deleted")


@row(
    "Who did what, and did it work?",
    flower="no page; a line in the log of Flower, without the user",
    ours="*Activity*: user, command, workers, answers and outcome of the last 500 commands; the log, and a signal",
    verdict="better",
)
def test_commands_are_listed(beside: Beside) -> None:
    node = beside.scene.node("idle")
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.click("Grow")
        page.find_toast()
        lines = [line for line in beside.flower_process.output.splitlines() if "Growing" in line]
        page.note(lines[-1].partition("] ")[2])
        assert USER not in lines[-1]
    with beside.ours.asked() as page:
        page.open_worker(node)
        page.find("0/3")
        page.click("Shrink")
        page.find("0/2")
        page.open("activity")
        page.find_row("shrink by 1", USER, "confirmed")
