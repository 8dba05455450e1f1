"""A Redis that holds still, throws clients out, takes no more of them, or forbids the channel of the gossip.

Where it serves the gossip alone, and where it is the worker's own, as far as Celery itself lives through that.
"""

import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
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


@pytest.fixture(params=["the gossip's broker alone", "the worker's own broker"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(private_redis: brokers.PrivateRedis, where: str) -> Iterator[Scene]:
    is_own = where == "the worker's own broker"
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
    with ExitStack() as stack:
        workers = stack.enter_context(crew(scene.project))
        ear = stack.enter_context(Ear(scene.project))
        heard_again(ear, workers, 0.0, timeout=15)
        FAULTS[fault](scene)
        ended_at = time.monotonic()
        backs = heard_again(ear, workers, ended_at, timeout=40)
        for pool, back in backs.items():
            case = f"{fault}, {where}, {pool}"
            figures.check("refused", case, "gossip again after, s", back, most=BACK_WITHIN)
        right_at = eventually(lambda: assert_view_is_right(ear, workers), timeout=40)
        figures.check("refused", f"{fault}, {where}", "view right after, s", right_at - ended_at, most=BACK_WITHIN)
        assert ear.listener._hearing.has_echo
        figures.note("refused", f"{fault}, {where}", "lasted, s", ended_at - min(at for at, _ in ear.heard))
        check_logs(workers, figures, f"{fault}, {where}", caplog)
        if not scene.is_own:
            assert [reconnects(worker) for worker in workers.values()] == [1] * len(workers)
        for worker in workers.values():
            assert worker.stop() == 0


def assert_view_is_right(ear: Ear, workers: Crew) -> float:
    view = ear.listener.view()
    assert view.isolated_since is None
    assert {one.gossip.hostname: one.state for one in view.workers} == {
        worker.node: "online" for worker in workers.values()
    }
    return time.monotonic()


def check_logs(workers: Crew, figures: Figures, case: str, caplog: pytest.LogCaptureFixture) -> None:
    for pool, worker in workers.items():
        if "KILL" not in case:  # redis-py finds out before it sends, and connects anew in silence
            eventually(partial(assert_told, worker), timeout=40)
        most = most_in_a_minute(dated(lines_of_ours(worker)))
        figures.check("refused", f"{case}, {pool}", "lines of a kind in a minute, at most", most, most=1)
        figures.check("refused", f"{case}, {pool}", "lines of tracebacks", len(tracebacks_of_ours(worker)), most=0)
    told = [(one.created, kind_of(one.getMessage())) for one in caplog.records if one.name == "celery_gossip"]
    figures.check(
        "refused", f"{case}, listener", "lines of a kind in a minute, at most", most_in_a_minute(told), most=1
    )


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
