"""Commands from the page in a real Chromium, to real workers: dialogs, outcomes confirmed by reports, and the log."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support import eventually
from tests.support.workers import QUIET, Project
from tests.web.browser import Browser, browsing
from tests.web.web_command import password_file, running_dashboard

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


def flags(folder: Path, permissions: str = "all") -> tuple[str, ...]:
    return (f"--allow-control={permissions}", "--auth", f"basic:{password_file(folder)}")


def await_outcome(browser: Browser, outcome: str, timeout: float = 30.0) -> str:
    """Wait until the dialog shows this outcome, and return what it says."""

    def is_shown() -> str:
        found = browser.run(
            "const one = document.querySelector('dialog .outcome'); return one && [one.dataset.outcome, one.innerText]"
        )
        assert found and found[0] == outcome, found
        return str(found[1])

    return eventually(is_shown, timeout)


def type_into_dialog(browser: Browser, *keys: str) -> None:
    """Type into the element of the dialog that has the focus."""
    eventually(partial(assert_focus_in_dialog, browser))
    browser.driver.switch_to.active_element.send_keys(*keys)


def assert_focus_in_dialog(browser: Browser) -> None:
    assert browser.run("return Boolean(document.activeElement.closest('dialog[open]'))")


def test_a_task_that_hangs_is_terminated_with_a_signal(
    browser: Browser, redis_project: Project, tmp_path: Path
) -> None:
    project = redis_project
    with project.worker(*QUIET) as worker, running_dashboard(project, *flags(tmp_path)) as dashboard:
        task_id = project.send("nap", 600)
        browser.open(dashboard.authenticated_url)
        browser.open(f"{dashboard.url}workers/0/{worker.node}")
        browser.await_text(task_id, timeout=20)
        browser.click("Revoke…")
        browser.await_text("Revoke a task", task_id, f"1 worker: {worker.node}")
        browser.run(
            "const signal = document.querySelectorAll('dialog select')[1]; signal.value = 'KILL';"
            "signal.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        eventually(partial(assert_enabled, browser))
        browser.click("Send")
        assert "terminate: " in await_outcome(browser, "confirmed")
        browser.click("Close")
        browser.await_text("No task is running.")
        browser.open(f"{dashboard.url}activity")
        browser.await_text("terminate", "with KILL", "confirmed", "ann", worker.node)


def test_a_worker_is_shut_down_by_the_keyboard_alone(browser: Browser, redis_project: Project, tmp_path: Path) -> None:
    project = redis_project
    with (
        project.worker(*QUIET, pool="threads") as worker,
        running_dashboard(project, *flags(tmp_path, "shutdown")) as dashboard,
    ):
        browser.open(dashboard.authenticated_url)
        browser.open(f"{dashboard.url}workers/0/{worker.node}")
        browser.await_text("Shut down…", timeout=20)
        for absent in ("Grow", "Autoscale…", "Add consumer…", "Restart pool…", "Revoke…"):
            browser.await_no_text(absent)

        def is_focused() -> None:
            browser.driver.switch_to.active_element.send_keys(Keys.TAB)
            assert browser.run("return document.activeElement.innerText") == "Shut down…"

        eventually(is_focused, 20, every=0.01)
        browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        browser.await_text("Shut down the worker", f"1 worker: {worker.node}")
        browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        browser.await_no_text("Shut down the worker")
        browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        browser.await_text(f"1 worker: {worker.node}")
        for _ in range(3):
            if browser.run("return document.activeElement.innerText") == "Shut down":
                break
            browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        await_outcome(browser, "confirmed")
        browser.driver.switch_to.active_element.send_keys(Keys.ENTER)  # the focus is on Close
        assert worker.process.wait(60) == 0
        browser.press("g", "a")
        browser.await_text("shutdown", "confirmed")


def test_a_queue_is_purged_only_with_its_name_typed(browser: Browser, redis_project: Project, tmp_path: Path) -> None:
    project = redis_project
    queue = project.queues[0]
    with (
        project.worker(*QUIET, pool="threads"),
        running_dashboard(project, *flags(tmp_path, "pause,purge")) as dashboard,
    ):
        browser.open(dashboard.authenticated_url)
        browser.open(f"{dashboard.url}queues/0/{queue}")
        browser.click("Pause all")
        browser.await_text("1 worker: ")
        browser.click("Pause all")
        await_outcome(browser, "confirmed")
        browser.click("Close")
        for _ in range(4):
            project.send("nothing")
        browser.click("Purge…")
        type_into_dialog(browser, queue[:-1], Keys.ENTER)
        assert browser.run("return document.querySelector('dialog button.primary').disabled")
        type_into_dialog(browser, queue[-1])
        eventually(partial(assert_enabled, browser))
        type_into_dialog(browser, Keys.ENTER)
        assert "4 messages deleted" in await_outcome(browser, "confirmed")


def assert_enabled(browser: Browser) -> None:
    assert not browser.run("return document.querySelector('dialog button.primary').disabled")


def test_a_dialog_shows_why_a_worker_cannot_obey_and_what_it_answers(
    browser: Browser, redis_project: Project, tmp_path: Path
) -> None:
    project = redis_project
    with (
        project.worker(*QUIET) as first,
        project.worker(*QUIET, pool="threads", name="w2") as second,
        running_dashboard(project, *flags(tmp_path)) as dashboard,
    ):
        task_id = project.send("nap", 600)
        browser.open(dashboard.authenticated_url)
        browser.open(f"{dashboard.url}tasks/0/tests.support.project.nap")
        browser.await_text(task_id, timeout=20)
        browser.click("Time limits…")
        browser.await_text(f"1 worker: {first.node}", f"Not {second.node}: its pool, threads, has no time limits")
        browser.click("Cancel")
        browser.open(f"{dashboard.url}workers/0/{first.node}")
        browser.click("Autoscale…")
        browser.await_text(f"1 worker: {first.node}")
        browser.click("Set limits")
        assert "Autoscale not enabled" in await_outcome(browser, "failed")
        browser.click("Close")
        browser.open(f"{dashboard.url}activity?state=failed")
        browser.await_text("autoscale max=2 min=1", "Autoscale not enabled")
        assert [error for error in browser.errors() if dashboard.url in error] == []


#: Holds the first preview until `release()` is called, and all later ones without end.
HELD_PREVIEWS = """
const real = fetch;
let isHeld = false;
window.fetch = (url, ...rest) => {
  if (!String(url).includes("preview=true")) return real(url, ...rest);
  if (isHeld) return new Promise(() => {});
  isHeld = true;
  return new Promise((resolve) => { window.release = () => resolve(real(url, ...rest)); });
};
"""
TYPE_AND_RELEASE = """
const done = arguments[arguments.length - 1];
const most = document.querySelector("dialog input");
most.value = "7";
most.dispatchEvent(new Event("input", {bubbles: true}));
window.release();
setTimeout(() => done(document.querySelector("dialog button.primary").disabled), 1000);
"""


def test_a_late_reply_about_former_values_does_not_enable_the_button(
    browser: Browser, redis_project: Project, tmp_path: Path
) -> None:
    project = redis_project
    with project.worker(*QUIET) as worker, running_dashboard(project, *flags(tmp_path, "scale")) as dashboard:
        browser.open(dashboard.authenticated_url)
        script = browser.on_every_page(HELD_PREVIEWS)
        try:
            browser.open(f"{dashboard.url}workers/0/{worker.node}")
            browser.click("Autoscale…")
            browser.await_text("The worker must run with --autoscale")
            assert browser.run_async(TYPE_AND_RELEASE) is True
        finally:
            browser.on_no_page(script)
