"""A real Chromium from Debian, driven by its ChromeDriver, with the queries that tests make on a page."""

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

__all__ = ["Browser", "browsing", "unless_stale"]

CHROMIUM, DRIVER = "chromium", "chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the tests may run as root
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
        """Open a page; `scheme` is the preferred color scheme, light or dark."""
        self._devtools(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        self._devtools("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.driver.get(url)

    def on_every_page(self, script: str) -> str:
        """Run a script at the start of every page from now on. Return its identifier for on_no_page()."""
        added = self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        return str(added["identifier"])

    def on_no_page(self, identifier: str) -> None:
        """Stop running that script."""
        self._devtools("Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier})

    def busy_seconds(self) -> float:
        """Return the seconds for which the tab was busy."""
        self._devtools("Performance.enable", {})
        metrics = self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return float({one["name"]: one["value"] for one in metrics}["TaskDuration"])

    @property
    def text(self) -> str:
        """Visible text of the page."""
        return str(self.run("return document.body.innerText"))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def run_async(self, script: str) -> Any:
        """Run a script that passes its result to its last argument."""
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
        """Return the text of the table row that contains this name."""
        rows = self.run("return [...document.querySelectorAll('tbody tr')].map(row => row.innerText)")
        found = [row for row in rows if name in row]
        assert found, f"no row of {name!r} among {rows[:20]}"
        return str(found[0])

    def click(self, text: str, timeout: float = 10.0) -> None:
        """Click the button or link with this name when it appears; only in the dialog if one is open."""

        def is_clicked() -> None:
            scope = "dialog[open] " if self.driver.find_elements(By.CSS_SELECTOR, "dialog[open]") else ""
            elements = self.driver.find_elements(By.CSS_SELECTOR, f"{scope}button, {scope}a[href]")
            for element in elements:
                name = element.get_attribute("aria-label") or element.text
                if element.is_displayed() and name.strip().lower() == text.lower():
                    element.click()
                    return
            raise AssertionError(f"there is no {text!r}")

        eventually(unless_stale(is_clicked), timeout, every=0.1)

    def press(self, *keys: str) -> None:
        self.driver.find_element(By.TAG_NAME, "body").send_keys(*keys)

    def requests(self) -> list[dict[str, Any]]:
        """Return the parameters of every request since the last call."""
        entries = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [entry["params"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]

    def reset(self) -> None:
        """Leave the page and discard its requests and errors."""
        self.driver.get("about:blank")
        self.requests(), self.errors()

    def clear_cache(self) -> None:
        """Clear the cache, so that the next page fetches all its files."""
        self._devtools("Network.clearBrowserCache", {})

    def errors(self) -> list[str]:
        """Return the errors in the console, including violations of the Content-Security-Policy."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def _devtools(self, command: str, arguments: dict[str, Any]) -> None:
        self.driver.execute_cdp_cmd(command, arguments)


def unless_stale(action: Any) -> Any:
    """Return the action, with an AssertionError where an element was replaced or cannot be clicked yet."""

    def attempt() -> None:
        try:
            action()
        except (StaleElementReferenceException, WebDriverException) as exc:
            raise AssertionError(str(exc)) from exc

    return attempt


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run a browser for one test module; without Chromium, skip, or fail in CI."""
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
