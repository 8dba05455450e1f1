"""The page of the benchmarks: results are stored and shown; sections that are not measured keep their results."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks.figure import quantiles
from benchmarks.report import page, record
from benchmarks.report.result import Result, Scale, Section, Table
from benchmarks.section.all import SECTIONS


def a_section(name: str, *figures: float) -> Section:
    def measure(scale: Scale) -> Result:
        rows = tuple((name, figure) for figure in scale.pick(full=figures, quick=figures[:1]))
        return Result(tables=(Table(("what", "ms"), rows),), notes=(f"{len(rows)} of {name}.",))

    return Section(name=name, title=f"What {name} costs", method="How.", measure=measure, caveats="But.")


def a_failing_section(name: str) -> Section:
    def measure(scale: Scale) -> Result:
        raise RuntimeError("as planned")

    return Section(name=name, title=f"What {name} costs", method="How.", measure=measure)


def a_skipped_section(name: str) -> Section:
    def measure(scale: Scale) -> Result:
        pytest.skip("no broker listens")

    return Section(name=name, title=f"What {name} costs", method="How.", measure=measure)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "benchmarks.md"


def test_a_run_writes_the_page_and_the_record_beside_it(path: Path) -> None:
    one = a_section("one", 1.23456, 1234.5)
    assert runner.run([one], [one], Scale(), path) == 0
    text = path.read_text()
    assert "## What one costs" in text and "| one | 1.23 |\n| one | 1,234 |" in text
    assert text.index("How.") < text.index("| one |") < text.index("2 of one.") < text.index("But.")
    assert record.read(path.with_suffix(".json"))["one"].result.tables[0].rows == (("one", 1.23456), ("one", 1234.5))


def test_a_section_that_is_left_out_keeps_its_figures_and_its_date(path: Path) -> None:
    one, other = a_section("one", 1.0), a_section("other", 2.0)
    runner.run([one, other], [one, other], Scale(), path)
    before = record.read(path.with_suffix(".json"))
    runner.run([a_section("other", 3.0)], [one, other], Scale(), path)
    after = record.read(path.with_suffix(".json"))
    assert after["one"] == before["one"]
    assert after["other"].result.tables[0].rows == (("other", 3.0),)
    assert "| one | 1.00 |" in path.read_text() and "| other | 3.00 |" in path.read_text()


@pytest.mark.parametrize("broken", [a_failing_section("one"), a_skipped_section("one")])
def test_a_section_that_cannot_be_measured_keeps_its_figures_and_the_others_go_on(broken: Section, path: Path) -> None:
    one, other = a_section("one", 1.0), a_section("other", 2.0)
    runner.run([one], [one, other], Scale(), path)
    assert runner.run([broken, other], [broken, other], Scale(), path) == 1
    assert "| one | 1.00 |" in path.read_text() and "| other | 2.00 |" in path.read_text()


def test_a_section_that_was_never_measured_shows_its_command(path: Path) -> None:
    one, other = a_section("one", 1.0), a_section("other", 2.0)
    runner.run([one], [one, other], Scale(), path)
    assert "*Not measured yet: `python -m benchmarks --only other`.*" in path.read_text()


def test_a_quick_run_is_called_one(path: Path) -> None:
    one = a_section("one", 1.0, 2.0)
    runner.run([one], [one], Scale(is_quick=True), path)
    assert "| one | 2.00 |" not in path.read_text() and ", with --quick, in" in path.read_text()


def test_the_page_can_be_written_again_without_measuring(path: Path) -> None:
    one = a_section("one", 1.0)
    runner.run([one], [one], Scale(), path)
    written = path.read_text()
    path.unlink()
    runner.run([], [one], Scale(), path)
    assert path.read_text() == written


def test_a_section_of_another_machine_names_it(path: Path) -> None:
    one, other = a_section("one", 1.0), a_section("other", 2.0)
    runner.run([one, other], [one, other], Scale(), path)
    kept = record.read(path.with_suffix(".json"))
    elsewhere = record.Entry(
        result=kept["one"].result,
        measured_at="2001-01-01 00:00",
        commit="abc",
        machine=record.Machine(cores=96, memory=1, system="Other", versions={}),
        took=1.0,
        load=(0.0, 0.0),
    )
    text = page.render({**kept, "one": elsewhere}, [one, other])
    assert "Measured 2001-01-01 00:00 UTC at commit abc, in 1 s; load 0.0 at the start, 0.0 at the end; on 96" in text


def test_a_machine_that_lacks_one_package_is_the_same_machine(path: Path) -> None:
    one, other = a_section("one", 1.0), a_section("other", 2.0)
    runner.run([one, other], [one, other], Scale(), path)
    kept = record.read(path.with_suffix(".json"))
    here = kept["other"].machine
    fuller = replace(here, versions={**here.versions, "flower": "2.2.0"})
    text = page.render({**kept, "one": replace(kept["one"], machine=fuller)}, [one, other])
    assert text.count("flower 2.2.0") == 1 and f"**Machine:** {fuller}." in text
    assert "; on " not in text
    older = replace(kept["one"], machine=replace(here, versions={"Python": "2.7"}), measured_at="2001-01-01 00:00")
    assert f"; on {here.cores} cores" in page.render({**kept, "one": older}, [one, other])


def test_an_unknown_section_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        runner.parse(["--only", "worker,wroker"], ["worker"])
    assert "unknown section wroker; known are worker" in capsys.readouterr().err


def test_every_section_has_a_name_of_its_own_and_explains_itself() -> None:
    assert len({section.name for section in SECTIONS}) == len({section.title for section in SECTIONS}) == len(SECTIONS)
    assert all(section.method and section.caveats for section in SECTIONS)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [([], None), ([3.0], (3.0, 3.0, 3.0, 3.0, 3.0)), (range(100, 0, -1), (1, 50, 95, 99, 100))],
)
def test_quantiles_are_values_that_were_measured(figures: list[float], expected: tuple[float, ...] | None) -> None:
    seen = quantiles(figures)
    if expected is None:
        assert seen.p50 != seen.p50 and seen.count == 0
    else:
        assert (seen.least, seen.p50, seen.p95, seen.p99, seen.most) == expected


def test_results_that_were_measured_manually_say_so(path: Path) -> None:
    one, other = a_section("one", 1.0), a_section("other", 2.0)
    runner.run([one, other], [one, other], Scale(), path)
    kept = record.read(path.with_suffix(".json"))
    manual = record.Entry(kept["one"].result, "2001-01-01 00:00", "abc", record.Machine(1, 1, "Other", {}))
    text = page.render({**kept, "one": manual}, [one, other])
    assert "*Measured manually, recorded at commit abc (2001-01-01 00:00 UTC), and not repeated since: " in text
