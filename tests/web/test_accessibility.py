"""Checks of each page by axe-core, which is fetched from npm for the test and not part of this project."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from celery_gossip.wire.encoding import encode, encode_beat
from celery_gossip.wire.messages import BeatEntry, RunningTask, TaskFailure
from tests.support import eventually
from tests.support.workers import Project
from tests.unit.build import a_beat, a_check, a_gossip, a_series
from tests.web.browser import Browser, browsing
from tests.web.publishing import gossip_publisher
from tests.web.web_command import running_dashboard

pytestmark = [pytest.mark.redis, pytest.mark.timeout(180)]
AXE = "axe-core@4"
SERIOUS = ("serious", "critical")
PAGES = (
    "",
    "queues",
    "queues/0/mail",
    "workers",
    "workers/0/celery%40web1",
    "workers/0/celery%40lost1",
    "matrix",
    "matrix?group=worker",
    "tasks",
    "tasks/0/shop.pack",
    "failures",
    "failures/0/ffcb633dab593cb4",
    "runs",
    "runs/0/one",
    "schedule",
    "activity",
)


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return its source; skip without npm or without a registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), AXE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        pytest.skip(f"{AXE} cannot be fetched: {done.stderr[-200:]}")
    return Path(folder, "node_modules", "axe-core", "axe.min.js").read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 375])
def test_no_page_has_a_serious_accessibility_violation(
    axe: str, browser: Browser, redis_project: Project, scheme: str, width: int
) -> None:
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        series = a_series("mail", age=0.001, received=9, succeeded=6, failed={"KeyError": 2})
        running = (RunningTask(0, 9.0), RunningTask(0, 8.0))
        check = a_check("mail", active=("one", "two"), tasks=running, active_count=2, reserved=3)
        failed = {
            "names": ("shop.pack", "mail", "KeyError", "m:f:1"),
            "failures": (TaskFailure(1, 0, 1, 2, "id-1", 1.0, 0.5, 1, "why", (3,), 0),),
        }
        publisher.publish(encode(a_gossip(interval=60.0, active=2, checks=(check,), series=(series,), **failed)))
        lost = a_gossip(hostname="celery@lost1", interval=0.5, active=2, checks=(check,), names=("shop.pack",))
        publisher.publish(encode(lost))
        entry = BeatEntry("report", "shop.pack", "every 60 s", due=20.0, errors=1, error="KeyError", error_age=4.0)
        publisher.publish(encode_beat(a_beat(entry, interval=60.0)))
        for page in PAGES:
            browser.open(dashboard.url + page, width=width, scheme=scheme)
            eventually(lambda: assert_drawn(browser), 15)
            browser.run(axe)
            found = browser.run_async("axe.run().then(arguments[arguments.length - 1])")["violations"]
            assert [summary(one) for one in found if one["impact"] in SERIOUS] == [], page


def assert_drawn(browser: Browser) -> None:
    text = browser.text
    assert any(part in text for part in ("online", "mail", "shop.pack", "commands are kept"))
    assert "Loading" not in text


def summary(violation: dict[str, Any]) -> str:
    return f"{violation['id']}: {[node['html'][:150] for node in violation['nodes'][:3]]}"
