"""A monitor in the browser, Flower or the dashboard: opens its pages, and notes the answers that it shows."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from tests.support import eventually
from tests.web.beside.record import FLOWER, Answer, Record
from tests.web.browser import Browser, unless_stale
from tests.web.web_command import PASSWORD, USER

__all__ = ["Monitor"]

PATIENCE = 60.0  #: seconds that a test waits for an answer, for a loaded machine; an answer that is there costs nothing


@dataclass
class Monitor:
    """One of the two. `url` ends with a slash."""

    who: str
    url: str
    browser: Browser
    record: Record
    test: str = ""  #: that asks now
    _shown: list[str] = field(default_factory=list)

    @contextmanager
    def asked(self) -> Iterator["Monitor"]:
        """Take the time of an answer and record what was noted."""
        self._shown = []
        began = time.monotonic()
        yield self
        self.record.add(self.test, Answer(self.who, time.monotonic() - began, "\n".join(self._shown)))

    def log_in(self) -> None:
        """Send the password once; the browser repeats it."""
        parts = urlsplit(self.url)
        self.browser.open(parts._replace(netloc=f"{USER}:{PASSWORD}@{parts.netloc}").geturl())

    def open(self, path: str = "") -> None:
        self.browser.open(f"{self.url}{path}")

    def open_worker(self, hostname: str) -> None:
        """Open the page of a worker; again where Flower has none, because the worker replied too late."""
        self.open(f"worker/{hostname}" if self.who == FLOWER else f"workers/0/{quote(hostname)}")
        if self.who == FLOWER:
            self.reload_until("Worker details")

    def open_tab(self, name: str) -> None:
        """Open a tab of Flower's page of a worker."""
        self.press_element(f"worker-tab-{name}")

    def open_task(self, task_id: str) -> None:
        self.open(f"task/{task_id}" if self.who == FLOWER else f"runs/0/{task_id}")

    def search(self, task_id: str) -> None:
        """Find the task through the page's own search, and open it."""
        if self.who == FLOWER:
            self.open("tasks")
            self.fill("input[type=search]", task_id)
            self.find_row(task_id)
            self.click_link(task_id)
        else:
            self.open()
            self.fill("input.search", f"{task_id}{Keys.ENTER}")

    def click_link(self, text: str) -> None:
        """Click the first visible link whose text contains this one."""

        def is_clicked() -> None:
            links = self.browser.driver.find_elements(By.PARTIAL_LINK_TEXT, text)
            assert links, f"there is no link {text!r}"
            links[0].click()

        eventually(unless_stale(is_clicked), PATIENCE)

    def note(self, text: str) -> None:
        """Add a text to the answer that is recorded."""
        line = " ".join(text.split())
        if line not in self._shown:
            self._shown.append(line)

    def find(self, *parts: str, timeout: float = PATIENCE) -> str:
        """Wait until the page shows all parts. Note the lines that contain them, and return the whole text."""
        self.browser.await_text(*parts, timeout=timeout)
        text = self.browser.text
        for part in parts:
            for line in [line for line in text.splitlines() if part.lower() in line.lower()][:1]:
                self.note(line)
        return text

    def find_row(self, name: str, *parts: str, timeout: float = PATIENCE, reload: float = 0.0) -> str:
        """Wait until the row of a table with this name has all parts, whole words each; note it and return its text.

        A page that does not update by itself is opened again every `reload` seconds.
        """
        opened_at = time.monotonic()

        def has_them() -> str:
            nonlocal opened_at
            if reload and time.monotonic() > opened_at + reload:
                self.browser.driver.refresh()
                opened_at = time.monotonic()
            row = " ".join(self.browser.row(name).split())
            missing = [part for part in parts if f" {part} ".lower() not in f" {row} ".lower()]
            assert not missing, f"{missing} not in {row}"
            return row

        row = eventually(has_them, timeout)
        self.note(row)
        return row

    def reload_until(self, *parts: str) -> None:
        """Open the page again until it shows all parts: Flower's pages of a task do not update."""

        def has_them() -> None:
            missing = [part for part in parts if not self.has(part)]
            if missing:
                self.browser.driver.refresh()
            assert not missing, f"{missing} not in {self.browser.text[:2000]}"

        eventually(has_them, PATIENCE, every=0.3)

    def find_toast(self) -> None:
        """Wait for a message of Flower about a command and note it.

        Flower waits for a reply for one second, so a busy worker can have obeyed although the message is an error.
        """

        def message() -> str:
            text = self.browser.run("return document.querySelector('.toast-body')?.innerText")
            assert text, self.browser.text[:2000]
            return str(text)

        self.note(eventually(message, PATIENCE))

    def has(self, part: str) -> bool:
        """Return whether the page shows this text now."""
        return part.lower() in self.browser.text.lower()

    def click(self, text: str) -> None:
        self.browser.click(text, timeout=PATIENCE)

    def fill(self, selector: str, text: str) -> None:
        """Replace the content of an input field."""

        def is_filled() -> None:
            fields = self.browser.driver.find_elements(By.CSS_SELECTOR, selector)
            assert fields and fields[0].is_displayed(), f"there is no {selector}"
            fields[0].clear()
            fields[0].send_keys(text)

        eventually(unless_stale(is_filled), PATIENCE)

    def press_element(self, identifier: str) -> None:
        """Click the element with this id."""

        def is_clicked() -> None:
            elements = self.browser.driver.find_elements(By.ID, identifier)
            assert elements, f"there is no #{identifier} on {self.browser.text[:2000]}"
            elements[0].click()

        eventually(unless_stale(is_clicked), PATIENCE)

    def choose(self, value: str) -> None:
        """Choose an option of the first list in the dialog."""
        Select(self.browser.driver.find_element(By.CSS_SELECTOR, "dialog[open] select")).select_by_value(value)

    def confirm(self, verb: str, *outcome: str) -> None:
        """Click the button of the dialog once it is enabled, wait for the outcome, note it and close the dialog."""

        def is_enabled() -> None:
            assert self.browser.run("return !document.querySelector('dialog[open] [type=submit]').disabled")

        eventually(is_enabled, PATIENCE)
        self.browser.click(verb, timeout=PATIENCE)

        def outcome_text() -> str:
            found = self.browser.run("return document.querySelector('dialog[open] .outcome[data-outcome]')?.innerText")
            assert found, self.browser.text[-500:]
            return str(found)

        text = eventually(outcome_text, PATIENCE)
        self.note(text)
        expected = outcome or ("confirmed", "answered")
        assert any(one in text.lower() for one in expected), (text, expected)
        self.browser.click("Close")

    def at(self, url: str) -> "Monitor":
        """Return the same monitor at another address."""
        return replace(self, url=url)

    def post(self, path: str, body: object) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, auth=(USER, PASSWORD), timeout=30)

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Request a path of its API, as a program does."""
        return httpx.get(f"{self.url}{path}", params=parameters, auth=(USER, PASSWORD), timeout=30)
