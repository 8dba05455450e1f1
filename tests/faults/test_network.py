"""The network between the broker and a listener, and between it and a worker's gossip connection, at the same time."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually, lateness
from tests.support.ear import Ear
from tests.support.proxy import Proxy, proxied
from tests.support.workers import QUIET, Project, Worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

INTERVAL = 1.0  #: seconds
LASTS = 6.0 if SCALE.is_full else 4.0  #: seconds; no worker of this interval is lost so soon
RIGHT_WITHIN = 3.0  #: seconds
HELD = 5.0  #: longest duration of our tick on the worker's loop in ms, p99.9

FAULTS: dict[str, Callable[[Proxy], None]] = {
    "round trip of 0.5 s": lambda proxy: proxy.slow(0.25),
    "half-open, no responses": lambda proxy: proxy.hold("answers"),
    "half-open, no requests": lambda proxy: proxy.hold("questions"),
    "reset": Proxy.reset,
    "closed": Proxy.cut,
    "slices of one byte": Proxy.slice,
    "stall": Proxy.swallow,
}
HARMLESS = ("round trip of 0.5 s", "slices of one byte")
URLS = {"Redis": brokers.REDIS_URL, "RabbitMQ": brokers.RABBITMQ_URL}
SHORT = [("Redis", "half-open, no responses"), ("Redis", "slices of one byte"), ("RabbitMQ", "reset")]
CASES = [(broker, fault) for broker in URLS for fault in FAULTS] if SCALE.is_full else SHORT
MARKS = {"Redis": pytest.mark.redis, "RabbitMQ": pytest.mark.rabbitmq}


@dataclass(frozen=True)
class Net:
    """A worker and an ear beyond a proxy each, and a worker and an ear on the broker itself."""

    before_ear: Proxy
    before_worker: Proxy
    far_ear: Ear
    near_ear: Ear
    near: Worker
    far: Worker
    stall: Path


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Net]]:
    """One of each broker, as long as the tests last."""
    with ExitStack() as stack:
        made: dict[str, Net] = {}

        def net_of(broker: str) -> Net:
            if broker not in made:
                made[broker] = a_net(stack, brokers.require(URLS[broker]), tmp_path_factory.mktemp(broker) / "stall")
            return made[broker]

        yield net_of


def a_net(stack: ExitStack, url: str, stall: Path) -> Net:
    before_ear, before_worker = (stack.enter_context(proxied(url)) for _ in range(2))
    near, beyond, far = Project(url), Project(before_ear.url), Project(url)
    stack.callback(near.clean)
    for project in (near, beyond, far):
        project.prefix, project.install = near.prefix, {"interval": INTERVAL}
        project.conf = dict(near.conf)
    far.conf["gossip_broker_url"] = before_worker.url
    far.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.stall", "GOSSIP_TEST_STALL": str(stall)}
    far_ear, near_ear = stack.enter_context(Ear(beyond)), stack.enter_context(Ear(near))
    workers = [
        stack.enter_context(project.worker(*QUIET, name=name)) for project, name in ((near, "near"), (far, "far"))
    ]
    for ear in (far_ear, near_ear):
        ear.listener.wait(workers=2, timeout=20)
    eventually(lambda: lateness.read(stall), timeout=5) if stall.exists() else time.sleep(2)
    return Net(before_ear, before_worker, far_ear, near_ear, *workers, stall)


@pytest.mark.parametrize(
    ("broker", "fault"), [pytest.param(*case, id=", ".join(case), marks=MARKS[case[0]]) for case in CASES]
)
def test_nobody_is_lost_who_lives_and_all_is_right_soon_after(
    nets: Callable[[str], Net], figures: Figures, broker: str, fault: str
) -> None:
    net, case, began = nets(broker), f"{broker}, {fault}", time.monotonic()
    before = lateness.read(net.stall)
    for proxy in (net.before_ear, net.before_worker):
        FAULTS[fault](proxy)
    time.sleep(LASTS)  # what does not happen can only be seen over time
    for proxy in (net.before_ear, net.before_worker):
        proxy.heal()
    healed_at = time.monotonic()
    ear_after = eventually(lambda: is_right(net, healed_at), timeout=15) - healed_at
    worker_after = net.near_ear.wait(healed_at, 15, lambda gossip: gossip.hostname == net.far.node)
    figures.check(
        "network", case, "listener: time until the view is correct, s", ear_after, most=RIGHT_WITHIN, is_noisy=True
    )
    figures.check("network", case, "worker: time to the next report, s", worker_after, most=RIGHT_WITHIN, is_noisy=True)
    held = lateness.quantile((lateness.read(net.stall) - before).held, 0.999)
    figures.check(
        "network", case, "duration of our tick on the worker's loop, p99.9, ms", held, most=HELD, is_noisy=True
    )
    lost = [entry for ear in (net.far_ear, net.near_ear) for entry in ear.entries if entry.state == "lost"]
    figures.check("network", case, "live workers that became lost", len(lost), most=0)
    ill = [one for one in net.far_ear.entries if one.at > began and one.hostname == net.near.node]
    figures.check("network", case, "state changes of a worker that kept reporting", len(ill), most=0, is_noisy=True)
    if fault in HARMLESS:
        told = [one.finding.kind for one in net.far_ear.told if one.at > began and one.is_raised]
        figures.check("network", case, "findings of a connected listener", len(told), most=0, is_noisy=True)


def is_right(net: Net, since: float) -> float:
    """When the far listener, that hears, had heard both workers since then."""
    view = net.far_ear.listener.view()
    assert view.isolated_since is None, "still isolated"
    assert [worker.state for worker in view.workers] == ["online", "online"], view.workers
    first = {gossip.hostname: at for at, gossip in reversed(list(net.far_ear.heard)) if at > since}
    assert len(first) == 2, f"heard since: {first}"
    return max(first.values())
