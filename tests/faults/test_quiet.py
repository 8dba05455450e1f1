"""Nothing goes wrong for an hour: what the step adds to a worker, in every pool, on both brokers.

20 workers at once on two cores: what counts is the difference between a worker and its twin without the step, in the
same hour. How late a loop is at its worst cannot be told there: it is told by each pair alone.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pytest
from kombu import Connection

from tests.faults import quiet
from tests.faults.figure import Figures
from tests.faults.quiet import ALL, KINDS, Case, Hour
from tests.faults.scale import SCALE
from tests.support.lateness import quantile
from tests.support.vitals import Sample, grown, slope

pytestmark = [
    pytest.mark.serial,
    pytest.mark.soak,
    pytest.mark.redis,
    pytest.mark.rabbitmq,
    pytest.mark.timeout(SCALE.quiet + 600),  # of the hour; a pair alone takes some minutes
]
ROW = "none"
ROUNDS = 3  #: of each pair alone
NOISE = "20 workers at once on two cores that other tests used too: compare it with the worker without the bootstep"
WARNING = re.compile(r"^\[[^]]*: (?:WARNING|ERROR|CRITICAL)/[^]]*\] (.*)$", re.MULTILINE)
all_cases = pytest.mark.parametrize("case", ALL.cases, ids="-".join)


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Hour:
    return quiet.play(ALL, tmp_path_factory.mktemp("quiet"))


def name_of(case: Case) -> str:
    return f"{case[0]}, {case[1]}"


def warm(hour: Hour, samples: Sequence[Sample]) -> list[Sample]:
    return [one for one in samples if one.at >= hour.warm_at]


def cpu_share(samples: Sequence[Sample]) -> float:
    """Per cent of a core."""
    return 100 * (samples[-1].cpu - samples[0].cpu) / (samples[-1].at - samples[0].at)


@all_cases
def test_ticks_come_and_hold_the_loop_shortly(hour: Hour, case: Case, figures: Figures) -> None:
    own, twin = (one.late for one in hour.pair(case))
    assert own and twin and own.held.total() >= 0.9 * (ALL.lasts - 2) / quiet.INTERVAL
    figures.note(ROW, name_of(case), "timer delay without the bootstep, p99.9, ms", quantile(twin.late, 0.999))
    figures.note(ROW, name_of(case), "duration of our tick, maximum, ms", quantile(own.held, 1.0), NOISE)
    held = quantile(own.held, 0.999)
    figures.note(ROW, name_of(case), "duration of our tick, p99.9, ms", held, NOISE)
    held = quantile(own.held, 0.5)
    figures.check(ROW, name_of(case), "duration of our tick, median, ms", held, most=1.0, is_noisy=True, note=NOISE)
    added = quantile(own.late, 0.999) - quantile(twin.late, 0.999)
    figures.note(ROW, name_of(case), "additional timer delay among 20 workers, p99.9, ms", added, NOISE)


@pytest.mark.skipif(not SCALE.is_full, reason="a thousandth of the turns of some seconds is none")
@all_cases
def test_alone_on_the_machine_a_loop_is_hardly_later_than_without_the_step(
    case: Case, figures: Figures, tmp_path: Path
) -> None:
    rounds = [alone(case, tmp_path / str(number)) for number in range(ROUNDS)]
    figures.note(
        ROW,
        name_of(case),
        "single worker: timer delay without the bootstep, p99.9, ms",
        median(late for late, _ in rounds),
    )
    added, note = median(added for _, added in rounds), f"median of {ROUNDS} runs of one minute"
    figures.check(
        ROW,
        name_of(case),
        "single worker: additional timer delay, p99.9, ms",
        added,
        most=1.0,
        is_noisy=True,
        note=note,
    )


def alone(case: Case, folder: Path) -> tuple[float, float]:
    """How late the loop was without the step, p99.9 in ms, and how much later with it."""
    folder.mkdir()
    own, twin = (one.late for one in quiet.play(quiet.alone(case), folder).pair(case))
    assert own and twin
    late = quantile(twin.late, 0.999)
    return late, quantile(own.late, 0.999) - late


@all_cases
def test_the_step_takes_half_a_per_cent_of_a_core_at_most(hour: Hour, case: Case, figures: Figures) -> None:
    own, twin = (cpu_share(one.samples) for one in hour.pair(case))
    figures.note(ROW, name_of(case), "CPU without the bootstep, % of a core", twin)
    figures.check(ROW, name_of(case), "CPU added, % of a core", own - twin, most=0.5, is_noisy=True)


@all_cases
def test_memory_does_not_grow(hour: Hour, case: Case, figures: Figures) -> None:
    own, twin = (warm(hour, one.samples) for one in hour.pair(case))
    figures.note(ROW, name_of(case), "memory growth without the bootstep, MB/h", slope(twin))
    check_memory(name_of(case), own, figures)


@all_cases
def test_threads_and_descriptors_stay_as_they_are(hour: Hour, case: Case, figures: Figures) -> None:
    check_counts(name_of(case), warm(hour, hour.pair(case)[0].samples), figures)


@all_cases
def test_each_interval_is_heard_once_and_nobody_is_suspect(hour: Hour, case: Case, figures: Figures) -> None:
    node, ear = hour.pair(case)[0].worker.node, hour.ears[case[1]]
    (first, first_at), (last, last_at) = ear.began["heard"][node], ear.ended["heard"][node]
    rate = (last - first) / (last_at - first_at) * quiet.INTERVAL
    most = 0.02 if SCALE.is_full else 0.1
    figures.check(ROW, name_of(case), "reports per interval", rate, least=1 - most, most=1 + most)
    states = [state for _, state, hostname in ear.ended["states"] if hostname == node]
    figures.note(ROW, name_of(case), "changes to stalled", states.count("stalled"), NOISE)
    silent = sum(state in ("suspect", "lost", "conflict", "offline") for state in states)
    figures.check(ROW, name_of(case), "changes to suspect, lost or conflict", silent, most=0)


@all_cases
def test_nothing_is_warned_of_and_the_exit_code_is_0(hour: Hour, case: Case, figures: Figures) -> None:
    own, twin = hour.pair(case)
    told = [text for text in WARNING.findall(own.output) if text not in WARNING.findall(twin.output)]
    figures.check(
        ROW, name_of(case), "log warnings that the worker without the bootstep does not have", len(told), most=0
    )
    assert (own.exit_code, twin.exit_code) == (0, 0)
    assert "Traceback" not in own.output


@pytest.mark.parametrize("kind", KINDS)
def test_a_listener_does_not_grow_and_finds_nothing_wrong(hour: Hour, kind: str, figures: Figures) -> None:
    ear, name = hour.ears[kind], f"listener, {kind}"
    figures.note(ROW, name, "CPU, % of a core", cpu_share(ear.samples))
    check_counts(name, warm(hour, ear.samples), figures)
    check_memory(name, warm(hour, ear.samples), figures)
    assert (ear.ended["rejected"], ear.exit_code) == ({}, 0)
    # A machine with too much to do cuts a listener off from its broker, and it says so.
    others = [kind for kind in ear.ended["findings"] if kind != "isolated"]
    figures.note(ROW, name, "changes to isolated", len(ear.ended["findings"]) - len(others), NOISE)
    figures.check(ROW, name, "findings other than isolated", len(others), most=0)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_on_the_broker(hour: Hour, kind: str) -> None:
    with Connection(hour.urls[kind]) as connection:
        channel = connection.default_channel
        if kind == "redis":
            assert list(channel.client.scan_iter(f"*{hour.exchange}*")) == []
        else:
            channel.exchange_delete(hour.exchange, if_unused=True)  # refused where a queue is bound to it


def check_memory(name: str, samples: Sequence[Sample], figures: Figures) -> None:
    figures.note(ROW, name, "memory, MB", samples[-1].memory)
    figures.check(ROW, name, "memory growth, MB", grown(samples), least=-5.0, most=5.0)
    if SCALE.is_full:  # within seconds a page more would be megabytes an hour
        figures.note(ROW, name, "memory growth, MB/h", slope(samples))
        # The heap fills for half an hour, as a twin's does.
        later = slope(samples[len(samples) // 2 :])
        figures.check(ROW, name, "memory growth in the second half, MB/h", later, least=-1.0, most=1.0)


def check_counts(name: str, samples: Sequence[Sample], figures: Figures) -> None:
    for counted in ("threads", "descriptors"):
        counts = [getattr(one, counted) for one in samples]
        figures.note(ROW, name, counted, counts[0])
        most = max(abs(count - counts[0]) for count in counts)
        figures.check(ROW, name, f"difference in {counted} from after the warm-up, largest", most, most=0)
