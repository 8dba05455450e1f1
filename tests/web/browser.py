"""A real Chromium, Debian's, driven by its ChromeDriver; and what a test wants to know of a page in it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from tests.support import brokers, eventually

__all__ = ["Browser", "browsing"]

CHROMIUM, DRIVER = "chromium", "chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the tests may be root's
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--lang=en",
)


class Browser:
    """One tab."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str, width: int = 1440, height: int = 900, scheme: str = "light") -> None:
        """`scheme`: what the reader prefers, light or dark."""
        self._devtools(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        self._devtools("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.driver.get(url)

    def on_every_page(self, script: str) -> None:
        """Run it before anything of a page that is opened from now on."""
        self._devtools("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    def busy_seconds(self) -> float:
        """For which the tab has done anything."""
        self._devtools("Performance.enable", {})
        metrics = self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return float({one["name"]: one["value"] for one in metrics}["TaskDuration"])

    @property
    def text(self) -> str:
        """What can be read on the page."""
        return str(self.run("return document.body.innerText"))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def run_async(self, script: str) -> Any:
        """The script calls its last argument with what it has to say."""
        return self.driver.execute_async_script(script)

    def await_text(self, *parts: str, timeout: float = 10.0) -> None:
        def is_there() -> None:
            text = self.text
            missing = [part for part in parts if part.lower() not in text.lower()]
            assert not missing, f"{missing} not in:\n{text[:3000]}"

        eventually(is_there, timeout, every=0.05)

    def await_no_text(self, part: str, timeout: float = 10.0) -> None:
        def is_gone() -> None:
            assert part.lower() not in self.text.lower()

        eventually(is_gone, timeout, every=0.05)

    def row(self, name: str) -> str:
        """The text of the table's row that has this name."""
        rows = self.run("return [...document.querySelectorAll('tbody tr')].map(row => row.innerText)")
        found = [row for row in rows if name in row]
        assert found, f"no row of {name!r} among {rows[:20]}"
        return str(found[0])

    def click(self, text: str) -> None:
        """The button or link of this name, as soon as there is one; of the dialog, where one is open."""

        def is_clicked() -> None:
            scope = "dialog[open] " if self.driver.find_elements(By.CSS_SELECTOR, "dialog[open]") else ""
            elements = self.driver.find_elements(By.CSS_SELECTOR, f"{scope}button, {scope}a[href]")
            for element in elements:
                name = element.get_attribute("aria-label") or element.text
                if element.is_displayed() and name.strip().lower() == text.lower():
                    element.click()
                    return
            raise AssertionError(f"there is no {text!r}")

        eventually(_unless_stale(is_clicked), 10, every=0.1)

    def press(self, *keys: str) -> None:
        self.driver.find_element(By.TAG_NAME, "body").send_keys(*keys)

    def requests(self) -> list[dict[str, Any]]:
        """Every request since the last call, `{"url", …}`, with what came of it."""
        entries = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [entry["params"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]

    def forget(self) -> None:
        """Leave the page, with all that was asked and said on it."""
        self.driver.get("about:blank")
        self.requests(), self.complaints()

    def forget_files(self) -> None:
        """The next page fetches all of its files."""
        self._devtools("Network.clearBrowserCache", {})

    def complaints(self) -> list[str]:
        """What the console says is wrong, policy violations included."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def _devtools(self, command: str, arguments: dict[str, Any]) -> None:
        self.driver.execute_cdp_cmd(command, arguments)


def _unless_stale(action: Any) -> Any:
    def act() -> None:
        try:
            action()
        except (StaleElementReferenceException, WebDriverException) as exc:
            raise AssertionError(str(exc)) from exc

    return act


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser of the test's own; a skip where there is none, and a failure in CI."""
    chromium, driver = shutil.which(CHROMIUM), shutil.which(DRIVER)
    if chromium is None or driver is None:
        brokers.give_up("Debian's packages chromium and chromium-driver are not installed")
    options = ChromeOptions()
    options.binary_location = str(chromium)
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chrome = Chrome(options=options, service=Service(str(driver)))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()
