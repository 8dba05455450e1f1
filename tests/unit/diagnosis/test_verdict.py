"""Why a worker was probably lost: what the evidence supports, and what it does not."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from celery_gossip.cluster.recording import Recorder
from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.diagnosis.inputs import RuleInput
from celery_gossip.diagnosis.rules import pending_findings
from celery_gossip.diagnosis.verdict import NO_CAUSE, Losses
from celery_gossip.wire.messages import PoolProcesses, Resources
from tests.unit.build import OTHER_BOOT, a_check, a_gossip

GIB = 2**30
NOW = 2000.0
LIMIT = 2 * GIB


@dataclass
class Story:
    """The last reports of a worker, one a second, with the memory in GiB in every fifth."""

    memory: list[float] = field(default_factory=list)  #: in the reports that contain it, the last one at the end
    limit: float | None = 2.0
    rss: list[float] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)  #: fields of the last report
    silent_at: float = 1940.0

    def worker(self, hostname: str = "w@web1", state: str = "lost", **placed: Any) -> WorkerView:
        count = max(len(self.memory), len(self.rss), len(self.lost), 1)
        recorder, gossip = Recorder(), a_gossip(hostname=hostname)
        for number in range(count * 5 - 4):
            at = self.silent_at - (count * 5 - 5) + number
            resources = self._resources(number // 5) if number % 5 == 0 else None
            gossip = a_gossip(**{"hostname": hostname, "sent_at": at, "resources": resources, **self.last})
            recorder.add(gossip, at)
        view = {"heard_at": self.silent_at, "state_since": self.silent_at + 10, "recording": recorder.recording()}
        return WorkerView(gossip, state, **{**view, **placed})  # type: ignore[arg-type]

    def _resources(self, at: int) -> Resources:
        return Resources(
            rss=int(self.rss[at] * GIB) if self.rss else None,
            memory_used=int(self.memory[at] * GIB) if self.memory else None,
            memory_limit=None if self.limit is None else int(self.limit * GIB),
            processes=PoolProcesses(9, 0, 0, 0, self.lost[at], 0, -9) if self.lost else None,
        )


def verdict(story: Story, *others: WorkerView) -> str:
    worker = story.worker()
    return Losses(View((worker, *others), (), taken_at=NOW)).explain(worker.gossip)


RISING = [0.6, 0.7, 0.9, 1.1, 1.3, 1.5, 1.7, 1.9]
DRAINING = {"state": "draining", "sent_at": 1540.0, "checks": (a_check(shutdown_started_at=1510.0),)}


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (
            Story(RISING),
            "Its memory rose from 614 MiB to 1.9 GiB of 2.0 GiB in 35s: it was probably killed for memory.",
        ),
        (Story([0.6] * 4 + [1.6]), "probably killed for memory"),
        (Story([0.3, 1.9]), "probably killed for memory"),
        (
            Story([1.0, 0.5, 1.0, 1.5, 1.9]),
            "Its memory rose from 512 MiB to 1.9 GiB of 2.0 GiB in 15s: it was probably",
        ),
        (Story([1.9, 1.92, 1.95, 1.94, 1.95]), "at 1.9 GiB of 2.0 GiB, without rising: look in the kernel's log"),
        (Story(limit=None, rss=[0.6, 0.9, 1.4]), "rose from 614 MiB to 1.4 GiB in 10s, and no limit of it is known"),
        (Story(last=DRAINING), "shutting down for 30s, and was probably killed because the time for that was over"),
        (Story(last=DRAINING), "(the default of Kubernetes)"),
        (Story(last={**DRAINING, "sent_at": 1519.5}), "shutting down for 9.5s, and was probably killed"),
        (Story(last={**DRAINING, "sent_at": 1519.5}), "(the default of Docker)"),
        (Story(last={**DRAINING, "sent_at": 1533.0}), "was over: allow more time"),
        (
            Story(last={**DRAINING, "sent_at": 1512.0}),
            "shutting down for 2s: it may have been killed for taking too long",
        ),
        (Story(last={"stalled_for": 95.0}), "Its event loop had been blocked for 95s before: it may have been killed"),
        (Story(lost=[0, 0, 1, 4]), "Its pool had lost 4 processes within its last reports"),
        (Story(lost=[7, 8]), "Its pool had lost 1 process within its last reports"),
        (Story(RISING, lost=[0, 0, 0, 0, 0, 0, 1, 3]), "killed for memory. Its pool had lost 3 processes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_evidence_is_named(story: Story, expected: str) -> None:
    assert expected in verdict(story)


@pytest.mark.parametrize(
    "story",
    [
        Story(),
        Story([0.6, 0.6, 0.6]),
        Story([1.7] * 12),  # high, but flat for as long as is recorded
        Story([1.2, 1.3, 1.4, 1.5]),  # rising, but not so fast that it could have reached the limit
        Story([0.1, 0.3, 0.5, 0.7]),  # rising fast, far from the limit
        Story([0.2, 0.9], limit=64.0),
        Story([1.9, 0.4, 0.4]),  # it was high, and fell again
        Story([1.9, 1.0]),
        Story([*RISING[:-1], 0.8], rss=[0.5] * 8),
        Story(limit=None, rss=[0.6, 0.7, 0.8]),  # grown, but not doubled
        Story(limit=None, rss=[0.01, 0.02, 0.04]),  # doubled, at its start
        Story(rss=[0.2, 0.9, 1.9]),  # what counts towards the limit is not known
        Story(last={"stalled_for": 2.0}),
        Story(last={"stalled_for": 95.0, "pool": "solo", "active": 1}),
        Story(lost=[5, 5, 5]),  # lost long before
        Story(last={"state": "draining"}),  # of an unknown length
    ],
    ids=str,
)
def test_no_evidence_is_no_cause(story: Story) -> None:
    assert verdict(story) == NO_CAUSE


def test_a_clock_that_was_set_back_during_the_shutdown_is_no_negative_time() -> None:
    assert "shutting down for 0ms: it may have been killed" in verdict(Story(last={**DRAINING, "sent_at": 1000.0}))


def test_a_worker_that_never_reported_its_memory_shows_no_cause() -> None:
    worker = WorkerView(a_gossip(), "lost", heard_at=1940.0)
    assert Losses(View((worker,), (), taken_at=NOW)).explain(worker.gossip) == NO_CAUSE


# The host.


def lost(hostname: str, at: float = 1940.0, **fields: Any) -> WorkerView:
    return Story(silent_at=at, last={"boot": f"{abs(hash(hostname)):016x}"[:16], **fields}).worker(hostname)


def alive(hostname: str, since: float = 1000.0) -> WorkerView:
    recorder, gossip = Recorder(), a_gossip(hostname=hostname, boot=OTHER_BOOT)
    recorder.add(gossip, since)
    return WorkerView(gossip, "online", heard_at=NOW - 0.5, recording=recorder.recording())


def test_workers_of_one_host_that_are_lost_together_point_to_the_host() -> None:
    text = verdict(Story(), lost("x@web1", 1943.0), lost("y@web1", 1938.0), alive("z@web2"))
    assert text == (
        "All 3 workers of the host web1 stopped reporting within 5 s (with it x@web1, y@web1): the host or its network "
        "probably failed."
    )


def test_a_worker_that_is_suspect_is_silent_as_well() -> None:
    suspect = replace(lost("x@web1", 1942.0), state="suspect")
    assert "All 2 workers of the host web1" in verdict(Story(), suspect)
    assert verdict(Story(), suspect, alive("y@web1")) == NO_CAUSE


@pytest.mark.parametrize(
    "others",
    [
        (),
        (lost("x@web2"),),  # on another host
        (lost("x@web1", 1900.0),),  # earlier
        (lost("x@web1", 1960.0),),  # later
        (lost("x@web1"), alive("y@web1")),  # another one goes on there
        (alive("x@web1"),),
        (lost("x@web1"), replace(alive("y@web1"), heard_at=1939.0)),  # it reports rarely: not known yet
    ],
    ids=["alone", "other host", "earlier", "later", "one goes on", "all go on", "not known yet"],
)
def test_other_losses_do_not_point_to_the_host(others: tuple[WorkerView, ...]) -> None:
    assert verdict(Story(), *others) == NO_CAUSE


def test_a_worker_that_was_started_after_the_host_came_back_does_not_contradict() -> None:
    assert "the host or its network" in verdict(Story(), lost("x@web1"), alive("y@web1", since=1980.0))


def test_at_most_two_reasons_are_named() -> None:
    story = Story(RISING, lost=[0, 0, 0, 0, 0, 0, 1, 3], last={"stalled_for": 60.0})
    text = verdict(story, lost("x@web1"))
    assert ("killed for memory" in text, "host" in text, "blocked" in text) == (True, True, False)


# In the findings.


def texts(*workers: WorkerView) -> list[str]:
    inputs = RuleInput(View(workers, (), taken_at=NOW), listening_for=60.0)
    return [one.text for one in pending_findings(inputs) if one.kind in ("lost_with_tasks", "worker_lost")]


def test_worker_lost_says_the_cause_instead_of_what_to_check() -> None:
    (text,) = texts(Story(RISING).worker())
    assert "probably killed for memory" in text and "Check the host" not in text
    (text,) = texts(Story().worker())
    assert f"It ran no task. {NO_CAUSE} Check the host" in text


def test_lost_with_tasks_says_the_cause() -> None:
    story = Story(RISING, last={"active": 1, "checks": (a_check(active=("id-1",), active_count=1),)})
    (text,) = texts(story.worker())
    assert text.startswith("w@web1 stopped reporting without shutting down. 1 task was running: id-1.")
    assert text.endswith("it was probably killed for memory.")


def test_a_worker_that_is_killed_while_it_shuts_down_is_not_said_to_have_ended_without() -> None:
    (text,) = texts(Story(last=DRAINING).worker())
    assert text.startswith("w@web1 stopped reporting before its shutdown had ended.")


def test_a_cold_shutdown_is_a_cause_of_its_own() -> None:
    busy = {"active": 1, "checks": (a_check(active=("id-1",), active_count=1),), "state": "offline"}
    (text,) = texts(Story(RISING, last=busy).worker(state="offline"))
    assert "shut down cold" in text and "allow more time" in text and "memory" not in text


def test_the_cause_is_known_after_a_restart_as_well() -> None:
    busy = {"active": 1, "checks": (a_check(active=("id-1",), active_count=1),)}
    before = Story(RISING, last=busy).worker()
    after = WorkerView(
        a_gossip(hostname="w@web1", boot=OTHER_BOOT),
        "online",
        heard_at=NOW,
        replaced=before.gossip,
        replaced_recording=before.recording,
    )
    (text,) = texts(after)
    assert "It has been restarted since." in text and "probably killed for memory" in text


def test_many_workers_share_one_finding_with_what_they_have_in_common() -> None:
    (text,) = texts(*(lost(f"w{number}@web1") for number in range(5)))
    assert "5 workers stopped reporting" in text and "the host or its network probably failed" in text
    (text,) = texts(*(lost(f"w@web{number}") for number in range(5)))
    assert NO_CAUSE in text and "Check the host" in text


def test_each_of_many_workers_with_tasks_has_its_cause() -> None:
    busy = {"active": 1, "checks": (a_check(active=("id-1",), active_count=1),)}
    found = texts(*(lost(f"w{number}@web1", **busy) for number in range(100)))
    assert len(found) == 100 and all("All 100 workers" in text and "and 94 more" in text for text in found)
