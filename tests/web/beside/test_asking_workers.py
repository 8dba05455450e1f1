"""What an operator asks about workers and queues."""

import pytest

from tests.web.beside.conftest import Beside
from tests.web.beside.record import row

pytestmark = [pytest.mark.redis, pytest.mark.timeout(240)]  # the first test starts everything


@row(
    "Which workers are there, and which are alive?",
    flower="*Workers*: online or offline, by heartbeat events; number of running tasks",
    ours="*Workers*: one of seven states, with the reason; busy slots, reserved and scheduled tasks, queues",
    verdict="better",
)
def test_workers_are_listed_with_their_states(beside: Beside) -> None:
    workers = [worker for name, worker in beside.scene.workers.items() if name != "solo"]
    with beside.flower.asked() as page:
        page.open("workers")
        for worker in workers:
            page.find_row(beside.tail(worker.node), "Online")
    with beside.ours.asked() as page:
        page.open("workers")
        for worker in workers:
            page.find_row(worker.node, "online")
        page.find_row(beside.scene.node("busy"), "prefork", "2/2")


@row(
    "A worker of a solo pool runs one long task: is it alive, and what does it do?",
    flower='"Offline", without tasks: it sends neither heartbeats nor events, and does not answer',
    ours="*stalled*, with the seconds; its task; the code line in which it is, on the page of the task, too",
    verdict="better",
)
def test_a_worker_that_is_blocked_by_its_task_is_not_taken_for_dead(beside: Beside) -> None:
    node, task = beside.scene.node("solo"), beside.scene.blocking
    with beside.flower.asked() as page:
        page.open("workers")
        page.find_row(beside.tail(node), "Offline")
        page.open(f"task/{task}")
        page.find(f"Unknown task '{task}'")
    with beside.ours.asked() as page:
        page.open("workers")
        page.find_row(node, "stalled", "1/1")
        page.open_worker(node)
        page.find("its event loop does not tick", "tests.support.project:nap:", task)
        page.open_task(task)
        page.find("runs for", "tests.support.project:nap:")


@row(
    "What is the worker's pool, PID, size and uptime?",
    flower="one worker, *Pool* and *Other*; by asking it, so not while it is busy (solo) or gone",
    ours="one worker: pool, PID, slots, uptime, processes, restarts, release, versions; from the last reports",
    verdict="better",
)
def test_a_worker_is_described(beside: Beside) -> None:
    worker = beside.scene.workers["busy"]
    with beside.flower.asked() as page:
        page.open_worker(worker.node)
        page.find("prefork:TaskPool", str(worker.process.pid), "Max concurrency")
        page.open_tab("other")
        page.find("Uptime")
    with beside.ours.asked() as page:
        page.open_worker(worker.node)
        page.find("pool prefork", str(worker.process.pid), "2/2", "Up for", "Python 3.")


@row(
    "With which configuration does the worker run?",
    flower="*Config*: all settings that were set, also of other packages; names that look secret are masked, other "
    "values are not",
    ours="*Configuration*: settings of an allow-list with their effective values, defaults included; no value that "
    "may be a secret",
    verdict="equal",
    reason="each shows what the other does not: Flower settings outside the list, the dashboard effective values of "
    "settings that were not set",
)
def test_the_configuration_of_a_worker_is_shown(beside: Beside) -> None:
    node = beside.scene.node("idle")
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.open_tab("config")
        page.find_row("worker_prefetch_multiplier", "1")
        page.find_row("worker_pool_restarts", "True")
        assert not page.has("task_acks_late")
    with beside.ours.asked() as page:
        page.open_worker(node)
        page.find_row("worker_prefetch_multiplier", "1")
        page.find_row("worker_pool_restarts", "yes")
        page.find_row("task_acks_late", "no")


@row(
    "Which tasks does the worker know?",
    flower="*Limits*: names of registered tasks",
    ours="*Registered tasks*",
    verdict="equal",
)
def test_the_registered_tasks_of_a_worker_are_listed(beside: Beside) -> None:
    node, names = beside.scene.node("idle"), ("tests.support.project.nap", "tests.web.beside.tasks.reserve")
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.open_tab("limits")
        page.find(*names)
    with beside.ours.asked() as page:
        page.open_worker(node)
        page.find("Registered tasks", *names)


@row(
    "Which queues does the worker consume?",
    flower="*Queues*, with routing keys and flags of the declaration; a queue that was cancelled is not listed any "
    "more",
    ours="*Queues*, each with running, reserved and scheduled tasks, and since when; paused ones stay in the list",
    verdict="better",
)
def test_the_queues_of_a_worker_are_listed(beside: Beside) -> None:
    node, queue = beside.scene.node("busy"), beside.scene.queue("a")
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.open_tab("queues")
        page.find_row(queue, "Cancel Consumer")
    with beside.ours.asked() as page:
        page.open_worker(node)
        page.find_row(queue, "running", "2 2 1")


@row(
    "How much memory and CPU time does the worker use?",
    flower="*System*: `rusage` of the main process, with the highest memory so far",
    ours="memory of all processes and of the main one, CPU time, limit of the container; charts over three hours",
    verdict="better",
)
def test_the_resources_of_a_worker_are_shown(beside: Beside) -> None:
    node = beside.scene.node("busy")
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.open_tab("system")
        page.find_row("maxrss")
        page.find_row("utime")
    with beside.ours.asked() as page:
        page.open_worker(node)
        page.find("MiB", "main process", "CPU time")


@row(
    "How many tasks has each worker processed, and how many failed?",
    flower="*Workers*: counts since the start of Flower, with links to the tasks",
    ours="*Workers*: count since the start of the worker, rate and share of failures in the last minute; history over "
    "three hours",
    verdict="better",
)
def test_tasks_of_a_worker_are_counted(beside: Beside) -> None:
    node = beside.scene.node("mixed")
    with beside.flower.asked() as page:
        page.open("workers")
        page.find_row(beside.tail(node), "Online 0 5 3 3")
    with beside.ours.asked() as page:
        page.open("workers")
        page.find_row(node, "5")
        page.open_worker(node)
        page.find("5 since start")


@row(
    "Which queues wait, how many messages, and since when?",
    flower="*Broker*: number of messages of each queue that a worker consumes; on RabbitMQ through its management API",
    ours="*Queues*: also the age of the oldest message, running and reserved tasks, busy slots, load, rates; no "
    "management API",
    verdict="better",
)
def test_the_lengths_of_queues_are_shown(beside: Beside) -> None:
    queue = beside.scene.queue("a")
    with beside.flower.asked() as page:
        page.open("broker")
        page.find_row(queue, "3")
    with beside.ours.asked() as page:
        page.open("queues")
        page.find_row(queue, "2/2 2 2 1 3")


@row(
    "Which workers serve a queue, and which queues have no free worker?",
    flower="no page: open each worker and look at its queues",
    ours="*Matrix* of workers and queues with slots and load; one queue: its workers",
    verdict="better",
)
def test_the_workers_of_a_queue_are_shown(beside: Beside) -> None:
    node, queue = beside.scene.node("busy"), beside.scene.queue("a")
    with beside.flower.asked() as page:
        page.open("broker")
        page.find_row(queue)
        assert not page.has(node)
    with beside.ours.asked() as page:
        page.open("matrix")
        page.find(node, queue, "full, 3 wait")
        page.open(f"queues/0/{queue}")
        page.find_row(node, "online")


@row(
    "Is something wrong right now, as a task that no worker knows?",
    flower="no page: such a task is one more failure, without a name, in *Tasks*",
    ours="*Overview*: findings, each with its reason, the workers and queues concerned and what to do",
    verdict="better",
)
def test_problems_are_found(beside: Beside) -> None:
    node, task = beside.scene.node("mixed"), beside.scene.unknown
    with beside.flower.asked() as page:
        page.open_task(task)
        page.find("FAILURE", "NotRegistered")
    with beside.ours.asked() as page:
        page.open("")
        page.find("Findings", "shop.moved", node)


@row(
    "How have throughput, failures and waiting times developed?",
    flower="no charts; metrics for Prometheus",
    ours="charts over up to three hours, of all, of a queue, a worker and a task name; metrics for Prometheus, too",
    verdict="better",
)
def test_charts_show_the_last_hours(beside: Beside) -> None:
    with beside.flower.asked() as page:
        page.open("workers")
        page.find("Online workers")
        assert page.browser.run("return document.querySelectorAll('canvas, figure svg').length") == 0
        page.note("no chart")
    with beside.ours.asked() as page:
        page.open("")
        page.find("Throughput, tasks/s", "Failure rate", "Wait before running", "3 h")


@row(
    "Is the host of a worker overloaded?",
    flower="*Workers*: load averages of the host over 1, 5 and 15 minutes",
    ours="loop lag and CPU time of each worker; no load average",
    verdict="worse",
    reason="the load average is that of the whole host, in a container of all its containers; a worker that is short "
    "of CPU shows it in its loop lag",
)
def test_the_load_of_a_host_is_shown(beside: Beside) -> None:
    node = beside.scene.node("busy")
    with beside.flower.asked() as page:
        page.open("workers")
        text = page.find_row(beside.tail(node), "Online")
        assert len([word for word in text.split() if word.replace(".", "").isdigit() and "." in word]) == 3, text
    with beside.ours.asked() as page:
        page.open("workers")
        page.find("Loop lag")
        page.find_row(node, "ms")
