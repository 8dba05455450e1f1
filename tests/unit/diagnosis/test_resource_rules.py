"""Findings about memory and the processes of a pool, and what looks similar."""

from typing import Any

import pytest

from celery_gossip.cluster.recording import Recorder
from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.diagnosis.inputs import PendingFinding, RuleInput
from celery_gossip.diagnosis.rule_settings import parse_rules
from celery_gossip.diagnosis.rules import pending_findings
from celery_gossip.wire.messages import PoolProcesses, Resources
from tests.unit.build import a_gossip

MIB, GIB = 2**20, 2**30
NOW = 10_000.0


def processes(lost: int = 0, last_loss: int | None = -9, **counts: int) -> PoolProcesses:
    values = {"started": 8 + lost, "exited": 0, "recycled": 0, "terminated": 0, "starting": 0, **counts}
    return PoolProcesses(lost=lost, last_loss=last_loss if lost else None, **values)


def a_worker(
    *readings: Resources,
    state: str = "online",
    age: float = 2.0,
    every: int = 5,
    reported: str = "online",
    **fields: Any,
) -> WorkerView:
    """Return a worker with these readings, the last one in its latest report; all reports between are recorded too."""
    fields["state"] = reported
    recorder, gossip = Recorder(), a_gossip(**fields)
    interval = gossip.interval
    for number, reading in enumerate(readings):
        for step in range(every if number < len(readings) - 1 else 1):
            gossip = a_gossip(**{"resources": None if step else reading, **fields})
            recorder.add(gossip, NOW - interval * ((len(readings) - 1 - number) * every - step))
    resources = readings[-1] if readings else None
    return WorkerView(
        gossip,
        state,  # type: ignore[arg-type]
        heard_at=NOW,
        resources=resources,
        resources_age=age if readings else None,
        recording=recorder.recording(),
    )


def found(worker: WorkerView, **settings: Any) -> list[PendingFinding]:
    rules = parse_rules(settings, "rules") if settings else RuleInput(View((), (), NOW), 60.0).settings
    view = View((worker,), (), taken_at=NOW)
    wanted = ("pool_thrashes", "near_memory_limit", "memory_climbs")
    inputs = RuleInput(view, listening_for=60.0, settings=rules)
    return [one for one in pending_findings(inputs) if one.kind in wanted]


def kinds(worker: WorkerView, **settings: Any) -> list[str]:
    return [one.kind for one in found(worker, **settings)]


# pool_thrashes


def losses(*counts: int, last_loss: int = -9, **fields: Any) -> WorkerView:
    return a_worker(*(Resources(processes=processes(count, last_loss)) for count in counts), **fields)


@pytest.mark.parametrize(
    ("worker", "is_found"),
    [
        (losses(0, 1, 2, 3), True),
        (losses(0, 3), True),
        (losses(0, 0, 2), False),
        (losses(7, 7, 7), False),  # lost before the listener began, or longer ago
        (losses(57), False),
        (losses(57, 60), True),
        (losses(*range(0, 60, 3)), True),
        (losses(*([0] * 3 + [4] * 20)), False),  # all of them 100 s ago
        (losses(0, 1, *([1] * 9), 2, *([2] * 9), 3), False),  # one in 50 s
        (losses(0, 5, state="lost"), False),
        (losses(0, 5, state="suspect"), False),
        (losses(0, 5, age=60.0), False),
        (a_worker(Resources(processes=processes(recycled=0)), Resources(processes=processes(recycled=90))), False),
        (a_worker(Resources(processes=processes()), Resources(processes=processes(terminated=90))), False),
        (a_worker(Resources(processes=processes()), Resources(processes=processes(exited=90))), False),
        (a_worker(Resources(), Resources()), False),
        (a_worker(), False),
        (losses(0, 10, 20, 30, interval=30.0), True),  # 20 in five minutes
        (losses(0, 1, 2, 3, interval=30.0), False),
    ],
)
def test_processes_that_are_lost_again_and_again(worker: WorkerView, is_found: bool) -> None:
    assert kinds(worker) == (["pool_thrashes"] if is_found else [])


def test_a_pool_that_shuts_down_does_not_thrash() -> None:
    assert kinds(losses(0, 5)) == ["pool_thrashes"]
    assert kinds(losses(0, 5, state="draining", reported="draining")) == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (-9, "The last one was killed with SIGKILL: by the kernel, if memory is short; by Celery, if"),
        (-11, "The last one crashed with SIGSEGV: an error in native code, such as that of a library."),
        (-6, "crashed with SIGABRT"),
        (-7, "crashed with SIGBUS"),
        (-24, "was killed with SIGXCPU"),
        (-63, "was killed with signal 63"),
        (1, "ended with exit code 1: a task, or code that runs at its start, ends its process"),
    ],
)
def test_the_text_says_how_the_last_process_ended(code: int, text: str) -> None:
    (finding,) = found(losses(0, 4, last_loss=code))
    assert "lost 4 processes of its pool in the last 60s" in finding.text and text in finding.text
    assert (finding.severity, finding.subject) == ("critical", "celery@web1")


def test_the_text_says_how_much_memory_is_used_where_that_matters() -> None:
    readings = [
        Resources(memory_used=int(1.9 * GIB), memory_limit=2 * GIB, processes=processes(lost)) for lost in (0, 4)
    ]
    text = next(one.text for one in found(a_worker(*readings)) if one.kind == "pool_thrashes")
    assert "if memory is short (it uses 95% (1.9 GiB) of the memory limit of 2.0 GiB); by Celery" in text


def test_the_number_of_processes_can_be_set() -> None:
    assert kinds(losses(0, 2), thresholds={"lost_processes": 2}) == ["pool_thrashes"]
    assert kinds(losses(0, 5), thresholds={"lost_processes": 6}) == []
    assert kinds(losses(0, 5), subjects={"celery@web*": {"thresholds": {"lost_processes": 6}}}) == []


# near_memory_limit


def memory(used: float | None, limit: float | None = 2.0, **fields: Any) -> WorkerView:
    sizes = [None if size is None else int(size * GIB) for size in (used, limit)]
    return a_worker(Resources(memory_used=sizes[0], memory_limit=sizes[1]), **fields)


@pytest.mark.parametrize(
    ("worker", "is_found"),
    [
        (memory(1.801), True),
        (memory(2.0), True),
        (memory(2.1), True),
        (memory(1.79), False),
        (memory(0.0), False),
        (memory(None), False),
        (memory(1.9, None), False),
        (memory(1.9, state="lost"), False),
        (memory(1.9, state="offline"), False),
        (memory(1.9, state="stalled"), True),
        (memory(1.9, age=20.0), False),
        (memory(1.9, age=20.0, interval=5.0), True),
    ],
)
def test_memory_near_its_limit(worker: WorkerView, is_found: bool) -> None:
    assert kinds(worker) == (["near_memory_limit"] if is_found else [])


def test_the_text_says_who_has_the_memory_and_what_to_do() -> None:
    resources = Resources(
        rss=200 * MIB,
        children_rss=1600 * MIB,
        largest_child_rss=900 * MIB,
        memory_used=1900 * MIB,
        memory_limit=2000 * MIB,
        processes=processes(),
    )
    (finding,) = found(a_worker(resources))
    assert finding.text.startswith(
        "celery@web1 uses 95% (1.9 GiB) of the memory limit of 2.0 GiB of its container (cgroup)"
    )
    assert "Its main process has 200 MiB, the 8 processes of its pool 1.6 GiB, the largest 900 MiB." in finding.text
    assert "worker_max_memory_per_child" in finding.text
    assert (finding.severity, finding.for_seconds) == ("warning", 30.0)


def test_the_share_can_be_set() -> None:
    assert kinds(memory(1.601), thresholds={"memory_share": 0.8}) == ["near_memory_limit"]
    assert kinds(memory(1.9), mute=["near_memory_limit"]) == ["near_memory_limit"]  # muted by RuleInput.adjusted()


# memory_climbs


def grown(main: float = 0.0, child: float = 0.0, hours: float = 2.5, **fields: Any) -> WorkerView:
    """Return a worker whose main process and processes have grown by so many MiB per hour."""
    recorder, gossip, resources = Recorder(), a_gossip(), Resources()
    for number in range(int(hours * 120) + 1):
        passed = number / 120
        values = {"recycled": 0, **{name: fields[name] for name in ("recycled",) if name in fields}}
        resources = Resources(
            rss=int((200 + main * passed) * MIB),
            children_rss=int((100 + child * passed) * MIB) * 4,
            memory_used=int((600 + (main + 4 * child) * passed) * MIB),
            memory_limit=fields.get("limit"),
            processes=PoolProcesses(4 + values["recycled"], 0, values["recycled"], 0, 0, 0),
        )
        gossip = a_gossip(resources=resources)
        recorder.add(gossip, number * 30.0)
    return WorkerView(
        gossip, "online", heard_at=NOW, resources=resources, resources_age=1.0, recording=recorder.recording()
    )


@pytest.mark.parametrize(
    ("worker", "is_found"),
    [
        (grown(), False),
        (grown(main=80.0), True),
        (grown(child=40.0), True),
        (grown(child=40.0, recycled=3), False),  # its processes are replaced
        (grown(main=80.0, child=40.0, recycled=3), True),
        (grown(main=80.0, hours=1.5), False),
        (grown(main=10.0), False),
    ],
)
def test_memory_that_rises_steadily(worker: WorkerView, is_found: bool) -> None:
    assert kinds(worker) == (["memory_climbs"] if is_found else [])


def test_the_text_says_which_processes_grow_and_when_the_limit_is_reached() -> None:
    (finding,) = found(grown(main=80.0, child=40.0, limit=4 * GIB))
    assert "rises steadily: its main process from" in finding.text
    assert "MiB in 1.7 h and each process of its pool from" in finding.text
    assert "At this rate its memory limit of 4.0 GiB is reached in 12 h." in finding.text
    assert "worker_max_tasks_per_child" in finding.text
    (finding,) = found(grown(main=80.0))
    assert "limit" not in finding.text and "restart" in finding.text


def test_the_share_of_a_rise_can_be_set() -> None:
    assert kinds(grown(main=80.0), thresholds={"climb_share": 2}) == []
