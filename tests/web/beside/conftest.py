"""Fixtures of the comparison with Flower: one scene, one Flower, one dashboard and one browser for all rows."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.support import brokers, eventually
from tests.web.beside.flower_command import FlowerProcess, running_flower
from tests.web.beside.monitor import Monitor
from tests.web.beside.record import FLOWER, OURS, Record, is_rewriting
from tests.web.beside.scene import Scene, open_scene
from tests.web.browser import browsing
from tests.web.web_command import password_file, running_dashboard


@dataclass
class Beside:
    """Both monitors, and what they watch."""

    scene: Scene
    flower: Monitor
    ours: Monitor
    flower_process: FlowerProcess
    password_option: str  #: value of --auth

    def tail(self, node: str) -> str:
        """Return the part of a hostname that Flower shows in one piece."""
        return node.partition("@")[0] + "@"


@pytest.fixture(scope="package")
def flower_beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    """Start everything once, as far as possible side by side: starts take most of the time of these tests."""
    folder = tmp_path_factory.mktemp("beside")
    with ExitStack() as stack:
        broker = stack.enter_context(brokers.running(brokers.private("redis")))
        scene = stack.enter_context(open_scene(broker))
        flower = stack.enter_context(running_flower(scene.project, folder))
        password_option = f"basic:{password_file(folder)}"
        flags = ("--allow-control=all", "--auth", password_option, "--queue", scene.queue("waste"))
        # Before the workers: they report their settings at their start, and again after two minutes.
        dashboard = stack.enter_context(running_dashboard(scene.project, *flags))
        scene.start_workers()
        browser = stack.enter_context(browsing())
        for worker in scene.workers.values():
            worker.await_ready()
        flower.await_ready()
        # Flower knows only tasks whose events it has received.
        eventually(lambda: assert_online(flower, scene), 60, every=0.1)
        scene.begin()
        record = Record(scene.project.prefix)
        theirs, ours = (
            Monitor(who, url, browser, record) for who, url in ((FLOWER, flower.url), (OURS, dashboard.url))
        )
        theirs.log_in()
        ours.log_in()
        yield Beside(scene, theirs, ours, flower, password_option)
        if is_rewriting():
            record.write()


def assert_online(flower: FlowerProcess, scene: Scene) -> None:
    online = flower.workers()
    assert all(online.get(worker.node) for worker in scene.workers.values()), online


@pytest.fixture
def beside(flower_beside: Beside, request: pytest.FixtureRequest) -> Beside:
    """Both monitors, whose answers are recorded under the name of this test."""
    flower_beside.flower.test = flower_beside.ours.test = request.node.name
    return flower_beside
