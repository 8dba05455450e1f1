"""What an operator asks about tasks."""

import pytest
from selenium.webdriver.common.keys import Keys

from tests.web.beside.conftest import Beside
from tests.web.beside.record import row
from tests.web.beside.tasks import MESSAGE

pytestmark = [pytest.mark.redis, pytest.mark.timeout(240)]  # the first test starts everything

NAP = "tests.support.project.nap"
RESERVE = "tests.web.beside.tasks.reserve"
ADD = "tests.web.beside.tasks.add"


@row(
    "Where is the task with this id, which runs?",
    flower="*Tasks*, search, then one task: started, worker, since when",
    ours="search box in every page (`/`), then one task: running, since when, worker and its state, queue, retries, "
    "limit",
    verdict="better",
)
def test_a_running_task_is_found_by_its_id(beside: Beside) -> None:
    scene = beside.scene
    with beside.flower.asked() as page:
        page.search(scene.hung)
        page.find("STARTED", scene.node("busy"), NAP)
    with beside.ours.asked() as page:
        page.search(scene.hung)
        page.find("runs for", scene.node("busy"), scene.queue("a"), NAP)


@row(
    "Why did this task fail?",
    flower="one task: exception with message, traceback with paths",
    ours="one task: exception; message and traceback, with modules instead of paths, if `gossip_failure_details` is "
    "set",
    verdict="equal",
    reason="the details are off by default, because messages can contain personal data",
)
def test_the_cause_of_a_failure_is_shown(beside: Beside) -> None:
    with beside.flower.asked() as page:
        page.search(beside.scene.failed)
        page.find("FAILURE", f"OutOfStock('{MESSAGE}')", "in _look_for")
    with beside.ours.asked() as page:
        page.search(beside.scene.failed)
        page.find("failed with OutOfStock", MESSAGE, "tests.web.beside.tasks:_look_for:")


@row(
    "What fails most, where in the code, and since when?",
    flower="*Tasks* with the filter *Failed*: one row for each failure, of any cause",
    ours="*Failures*: grouped by task, exception and code line, with counts, first and last time",
    verdict="better",
)
def test_failures_are_grouped(beside: Beside) -> None:
    with beside.flower.asked() as page:
        page.open("tasks?state=FAILURE")
        page.find_row(beside.scene.failed, "FAILURE")
        assert not page.has("OutOfStock")
    with beside.ours.asked() as page:
        page.open("failures")
        page.find_row(RESERVE, "OutOfStock", "2")


@row(
    "What waits on a worker behind the tasks that run?",
    flower="one worker, *Tasks*: reserved tasks with arguments; *Tasks* does not tell them from scheduled ones",
    ours="*Runs* with the filter *reserved*, of all workers: since when each waits; the address keeps the filter",
    verdict="better",
)
def test_reserved_tasks_are_listed(beside: Beside) -> None:
    scene = beside.scene
    with beside.flower.asked() as page:
        page.open_worker(scene.node("busy"))
        page.open_tab("tasks")
        page.find("Reserved tasks", scene.reserved)
    with beside.ours.asked() as page:
        page.open("runs?state=reserved")
        page.find_row(scene.reserved, "reserved", NAP)
        page.open_task(scene.reserved)
        page.find("waits for a slot for")


@row(
    "When is this task due?",
    flower="one task: ETA, as the message has it",
    ours="one task, and *Runs*: time that is left",
    verdict="equal",
)
def test_the_eta_of_a_task_is_shown(beside: Beside) -> None:
    with beside.flower.asked() as page:
        page.search(beside.scene.scheduled)
        page.find("ETA", "RECEIVED")
    with beside.ours.asked() as page:
        page.search(beside.scene.scheduled)
        page.find("waits for its ETA, in 5")


@row(
    "What runs now, and for how long?",
    flower="*Tasks* with the filter *Started*: start times; without tasks of blocked workers, with those of killed "
    "ones",
    ours="*Runs*: tasks of all workers by age, with filters for state, age, task, queue and worker",
    verdict="better",
)
def test_running_tasks_are_listed_by_age(beside: Beside) -> None:
    scene = beside.scene
    with beside.flower.asked() as page:
        page.open("tasks?state=STARTED")
        page.find_row(scene.hung, "STARTED")
        page.find_row(scene.also_hung, "STARTED")
        assert not page.has(scene.blocking)
    with beside.ours.asked() as page:
        page.open("runs?state=running")
        for task in (scene.hung, scene.also_hung, scene.blocking):
            page.find_row(task, "running")


@row(
    "How often does a task of this name run, how long does it take, how long does it wait?",
    flower="no page: *Tasks*, filtered by name, lists the runs; a histogram in the metrics",
    ours="*Tasks*, one task name: rates, run and waiting time (p50, p95), failures by exception, charts",
    verdict="better",
)
def test_a_task_name_has_statistics(beside: Beside) -> None:
    with beside.flower.asked() as page:
        page.open(f"tasks?name={ADD}")
        page.find_row(beside.scene.succeeded, "SUCCESS")
    with beside.ours.asked() as page:
        page.open("tasks")
        page.find_row(ADD, "2 2 0")
        page.open(f"tasks/0/{ADD}")
        page.find("Run p95", "Wait p95")


@row(
    "With which arguments was the task called, and what did it return?",
    flower="one task: arguments, keyword arguments and result; *Tasks* is searched for them",
    ours="no: they are in no report",
    verdict="worse",
    reason="arguments and results are often personal data or secrets, and any client of the broker can read reports; "
    "`celery inspect query_task ID` shows the arguments of a task that a worker has",
)
def test_arguments_and_results_are_only_in_flower(beside: Beside) -> None:
    with beside.flower.asked() as page:
        page.search(beside.scene.succeeded)
        page.find("SUCCESS", "(40, 2)", "42")
    with beside.ours.asked() as page:
        page.open_task(beside.scene.succeeded)
        page.find("in the last")
        assert not page.has("(40, 2)")


@row(
    "Did this task succeed, when, and how long did it take?",
    flower="one task: state, times of each step, runtime, for the last 100,000 tasks",
    ours="only failed tasks are kept one by one; of a task that was seen while it ran: that it has ended. Successes "
    "are counted by name, queue and worker",
    verdict="worse",
    reason="a row for each task needs several messages for each task; the reports of a worker do not grow with its "
    "tasks",
)
def test_each_success_is_only_in_flower(beside: Beside) -> None:
    with beside.flower.asked() as page:
        page.search(beside.scene.succeeded)
        page.find("SUCCESS", "Succeeded", "Runtime")
    with beside.ours.asked() as page:
        page.open_task(beside.scene.succeeded)
        page.find("in the last", "A task that ended between two reports")
        page.open(f"tasks/0/{ADD}")
        page.find("succeeded")


@row(
    "Which task sent this one, and which did it send?",
    flower="one task: links to parent, root and children",
    ours="no",
    verdict="worse",
    reason="these ids are in the messages of tasks, and reports have only what all listed tasks need",
)
def test_the_family_of_a_task_is_only_in_flower(beside: Beside) -> None:
    with beside.flower.asked() as page:
        page.open_task(beside.scene.parent)
        page.find("SUCCESS", "Children")
        links = page.browser.run("return [...document.querySelectorAll('dd a')].map(link => link.innerText)")
        page.note(f"links: {', '.join(links)}")
        assert len(links) == 4, links  # name, worker, root and child
    with beside.ours.asked() as page:
        page.open_task(beside.scene.hung)
        page.find("runs for")
        assert not page.has("children")


@row(
    "Can this view be sent to a colleague, and read by keyboard alone?",
    flower="filters of *Tasks* for state, name and worker are in the address; no keys",
    ours="filters, order and the period of charts are in the address; keys for pages, search, lists and help",
    verdict="better",
)
def test_a_view_has_an_address_and_keys(beside: Beside) -> None:
    with beside.flower.asked() as page:
        page.open(f"tasks?name={RESERVE}&state=FAILURE")
        page.find_row(beside.scene.failed, "FAILURE")
    with beside.ours.asked() as page:
        page.open(f"runs?state=scheduled&task={NAP}")
        page.find_row(beside.scene.scheduled, "scheduled")
        page.browser.press("/")
        page.browser.driver.switch_to.active_element.send_keys(beside.scene.hung, Keys.ENTER)
        page.find("runs for")
