"""A Redis that holds still, throws clients out, takes no more of them, or forbids the channel of the gossip.

Where it serves the gossip alone, and where it is the worker's own, as far as Celery itself lives through that.
"""

import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import pytest
import redis

from tests.faults.crew import Crew, crew, heard_again, lines_of_ours, reconnects, tracebacks_of_ours
from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.ear import Ear
from tests.support.workers import Project, Worker

INTERVAL = 0.5  #: seconds
PAUSE = 5.0  #: seconds
PAUSES = 8 if SCALE.is_full else 1
KILL_EVERY = 0.7 if SCALE.is_full else 0.1  #: seconds
BACK_WITHIN = 3.0  #: seconds
BACK = "time to the next report, s"
LINES = "log lines per kind and minute, maximum"
DATED = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+: \w+/\S+\] (celery-gossip: \w+ \w+)")

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Scene:
    """A Redis to be ill-treated, what treats it, and the workers that speak there."""

    redis: Any
    project: Project
    is_own: bool  #: whether the workers take their tasks from it, too

    @property
    def channel(self) -> str:
        return f"/0.{self.project.conf['gossip_exchange']}"

    @property
    def others(self) -> str:
        """The channel of remote control, as Kombu subscribes to it: as a pattern, which an ACL must name literally."""
        return f"/0.{self.project.prefix}.pidbox"

    def grant(self, *channels: str) -> None:
        self.redis.execute_command("ACL", "SETUSER", "gossip", "resetchannels", *(f"&{one}" for one in channels))

    def throw_out(self) -> None:
        """Every client but the one that asks for it."""
        for kind in ("normal", "pubsub"):
            self.redis.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


@pytest.fixture(params=["gossip broker only", "worker's own broker"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(private_redis: brokers.PrivateRedis, where: str) -> Iterator[Scene]:
    is_own = where == "worker's own broker"
    url = f"redis://gossip:secret@127.0.0.1:{private_redis.port}/0"
    project = Project(url) if is_own else Project(brokers.require(brokers.REDIS_URL), gossip_broker_url=url)
    project.install = {"interval": INTERVAL}
    with redis.Redis(port=private_redis.port) as client:
        client.execute_command("ACL", "SETUSER", "gossip", "on", ">secret", "~*", "+@all", "&*")
        yield Scene(client, project, is_own)
        client.execute_command("CONFIG", "SET", "maxclients", "10000")
        client.execute_command("ACL", "SETUSER", "gossip", "allchannels")
    project.clean()


def pause(scene: Scene) -> None:
    for _ in range(PAUSES):
        scene.redis.execute_command("CLIENT", "PAUSE", int(PAUSE * 1000), "ALL")
        time.sleep(PAUSE)
        if PAUSES > 1:
            time.sleep(PAUSE / 2)
    if PAUSES > 1:
        scene.redis.execute_command("CLIENT", "PAUSE", int(PAUSE * 1000), "ALL")
        time.sleep(PAUSE)


def kill(scene: Scene) -> None:
    for _ in range(SCALE.kills):
        scene.throw_out()
        time.sleep(KILL_EVERY)


def fill_up(scene: Scene) -> None:
    """No client is let in that was thrown out."""
    scene.redis.execute_command("CONFIG", "SET", "maxclients", "1")
    scene.throw_out()
    time.sleep(SCALE.frozen)
    scene.redis.execute_command("CONFIG", "SET", "maxclients", "10000")


def forbid(scene: Scene) -> None:
    scene.grant(scene.others)
    time.sleep(SCALE.frozen)
    scene.grant(scene.others, scene.channel)


FAULTS: dict[str, Callable[[Scene], None]] = {
    "CLIENT PAUSE": pause,
    f"CLIENT KILL, {SCALE.kills} times": kill,
    "maxclients": fill_up,
    "ACL": forbid,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_redis_that_refuses_is_told_of_once_and_gossip_is_back_soon(
    fault: str, where: str, scene: Scene, figures: Figures, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "celery_gossip")
    case = f"{fault}, {where}"
    with crew(scene.project) as workers, Ear(scene.project) as ear:
        heard_again(ear, workers, 0.0, timeout=30)
        began_at = time.monotonic()
        FAULTS[fault](scene)
        ended_at = time.monotonic()
        figures.note("refused", case, "duration of the fault, s", ended_at - began_at)
        check_recovery(ear, workers, scene, figures, case, ended_at)
        for pool, worker in workers.items():
            if not is_held_up(pool, scene) and "KILL" not in case:  # redis-py finds out, and connects anew in silence
                eventually(partial(assert_told, worker), timeout=60)
            check_log(worker, figures, f"{case}, {pool}")
        told = [(one.created, kind_of(one.getMessage())) for one in caplog.records if one.name == "celery_gossip"]
        figures.check("refused", f"{case}, listener", LINES, most_in_a_minute(told), most=1)
        for worker in workers.values():
            assert scene.is_own or reconnects(worker) == 1
            assert worker.stop() == 0


def is_held_up(pool: str, scene: Scene) -> bool:
    """Whether Celery itself keeps the sender from work: Kombu sleeps between two tries, and stops the hub of gevent."""
    return scene.is_own and pool in ("gevent", "eventlet")


def check_recovery(ear: Ear, workers: Crew, scene: Scene, figures: Figures, case: str, ended_at: float) -> None:
    backs = heard_again(ear, workers, ended_at, timeout=60)
    for pool, back in backs.items():
        if is_held_up(pool, scene):
            figures.note("refused", f"{case}, {pool}", BACK, back, "Celery blocks the whole hub until it retries")
        else:
            figures.check("refused", f"{case}, {pool}", BACK, back, most=BACK_WITHIN)
    free = {worker.node for pool, worker in workers.items() if not is_held_up(pool, scene)}
    right_at = eventually(lambda: assert_view_is_right(ear, free, scene.is_own), timeout=40)
    figures.check(
        "refused", f"{case}, listener", "time until the view is correct, s", right_at - ended_at, most=BACK_WITHIN
    )
    eventually(lambda: assert_may_publish(ear))


def assert_may_publish(ear: Ear) -> None:
    assert ear.listener._loop.isolation.can_publish


def assert_view_is_right(ear: Ear, nodes: set[str], is_own: bool) -> float:
    """Where the broker is the workers' own, their loops may still wait for it: they are stalled then, and told so."""
    view = ear.listener.view()
    assert view.isolated_since is None
    states = {one.state for one in view.workers if one.gossip.hostname in nodes}
    assert states <= ({"online", "stalled"} if is_own else {"online"})
    return time.monotonic()


def check_log(worker: Worker, figures: Figures, case: str) -> None:
    figures.check("refused", case, LINES, most_in_a_minute(dated(lines_of_ours(worker))), most=1)
    figures.check("refused", case, "lines of tracebacks from this package", len(tracebacks_of_ours(worker)), most=0)


def assert_told(worker: Worker) -> None:
    """By the event loop, which is back later than the sender where the worker's own broker was gone."""
    assert lines_of_ours(worker), "no word of it"


def dated(lines: list[str]) -> list[tuple[float, str]]:
    """`(seconds, kind)` of each line."""
    found = [match for match in map(DATED.search, lines) if match]
    return [(datetime.fromisoformat(match[1]).timestamp(), kind_of(match[2])) for match in found]


def kind_of(text: str) -> str:
    return " ".join(text.split()[:3])


def most_in_a_minute(told: list[tuple[float, str]]) -> int:
    by_kind: dict[str, list[float]] = defaultdict(list)
    for at, kind in told:
        by_kind[kind].append(at)
    return max((sum(at <= one < at + 59 for one in times) for times in by_kind.values() for at in times), default=0)
