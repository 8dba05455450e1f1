"""Render docs/explanation/benchmarks.md from the record and the texts of the sections. Pure."""

from collections.abc import Iterable, Iterator

from benchmarks.report.record import Entry, Record
from benchmarks.report.result import Cell, Section, Table

__all__ = ["render"]

_INTRO = """\
# Benchmarks

The cost of celery-gossip, measured and written by one command, `python -m benchmarks`. `--only SECTION,…` measures some
sections and keeps the results of the others; `--quick` takes about five minutes and is less precise. Each section
states when and at which commit it was measured; the raw results are in [benchmarks.json](benchmarks.json). All were
measured on a small virtual machine, where workers, brokers, listeners and the measuring process share the cores. Such
machines are noisy: compare values of the same run, such as ratios to plain Celery. Absolute values do not apply to
other machines."""


def render(record: Record, sections: Iterable[Section]) -> str:
    """Return the whole page. A section without a result says that it was not measured."""
    sections = list(sections)
    parts = [_INTRO, *_machine(record)]
    for section in sections:
        parts += _section(section, record.get(section.name), record)
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _machine(record: Record) -> Iterator[str]:
    latest = _most_complete(record)
    if latest is not None:
        yield f"**Machine:** {latest.machine}."


def _most_complete(record: Record) -> Entry | None:
    """Return the latest result among those on a machine like the latest one's, with the most versions."""
    latest = max(record.values(), key=lambda entry: entry.measured_at, default=None)
    if latest is None:
        return None
    alike = [entry for entry in record.values() if entry.machine.is_like(latest.machine)]
    return max(alike, key=lambda entry: (len(entry.machine.versions), entry.measured_at))


def _section(section: Section, entry: Entry | None, record: Record) -> Iterator[str]:
    yield f"## {section.title}"
    yield section.method
    if entry is None:
        yield f"*Not measured yet: `python -m benchmarks --only {section.name}`.*"
        return
    for table in entry.result.tables:
        yield table.caption
        yield _table(table)
    yield "\n\n".join(entry.result.notes)
    yield section.caveats
    yield _when(section, entry, record)


def _when(section: Section, entry: Entry, record: Record) -> str:
    if entry.took is None:
        return (
            f"*Measured manually, recorded at commit {entry.commit} ({entry.measured_at} UTC), and not repeated since: "
            f"`python -m benchmarks --only {section.name}`.*"
        )
    shown = _most_complete(record)
    differs = shown is not None and not shown.machine.is_like(entry.machine)
    began, ended = entry.load
    return (
        f"*Measured {entry.measured_at} UTC at commit {entry.commit}{', with --quick' if entry.is_quick else ''}, in "
        f"{entry.took:.0f} s{f' at niceness {entry.niceness}' if entry.niceness else ''}; "
        f"load {began} at the start, {ended} at the end"
        f"{f'; on {entry.machine}' if differs else ''}. To repeat: `python -m benchmarks --only {section.name}`.*"
    )


def _table(table: Table) -> str:
    lines = [table.columns, ["---"] * len(table.columns), *([_format(cell) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _format(cell: Cell) -> str:
    """Format a number with about three significant digits."""
    if not isinstance(cell, float):
        return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell
    size = abs(cell)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{cell:,.{digits}f}"
