"""The page of the price list, in Markdown: what the record holds, with the words that explain it. Pure."""

from collections.abc import Iterable, Iterator

from benchmarks.price.record import Entry, Record
from benchmarks.price.result import Cell, Section, Table

__all__ = ["render"]

_INTRO = """\
# Benchmarks

What celery-gossip costs, measured and written by one command, `python -m benchmarks`. `--only SECTION,…` measures
some sections and leaves the others as they are; `--quick` takes some five minutes and tells less. Each section
says when and at which commit it was measured; the raw figures are in [benchmarks.json](benchmarks.json). They are of
a small virtual machine on which everything shares the cores: workers, brokers, listeners and who measures. Such
machines are noisy, so what counts is a ratio of the same run, and what is shown beside plain Celery in the same
seconds. An absolute figure does not travel."""


def render(record: Record, sections: Iterable[Section]) -> str:
    """The whole page; a section that was never measured says so."""
    shown = list(sections)
    parts = [_INTRO, *_machine(record)]
    for section in shown:
        parts += _section(section, record.get(section.name), record)
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _machine(record: Record) -> Iterator[str]:
    latest = _latest(record)
    if latest is not None:
        yield f"**Machine:** {latest.machine}."


def _latest(record: Record) -> Entry | None:
    return max(record.values(), key=lambda entry: entry.measured_at, default=None)


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
            f"*Measured by hand, written down at commit {entry.commit} ({entry.measured_at} UTC), and not again since: "
            f"`python -m benchmarks --only {section.name}`.*"
        )
    latest = _latest(record)
    differs = latest is not None and latest.machine != entry.machine
    began, ended = entry.load
    return (
        f"*Measured {entry.measured_at} UTC at commit {entry.commit}{', quickly' if entry.is_quick else ''}, in "
        f"{entry.took:.0f} s{f' at niceness {entry.niceness}' if entry.niceness else ''}; "
        f"load {began} when it began, {ended} when it had ended"
        f"{f'; on {entry.machine}' if differs else ''}. Again: `python -m benchmarks --only {section.name}`.*"
    )


def _table(table: Table) -> str:
    lines = [table.columns, ["---"] * len(table.columns), *([_shown(cell) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _shown(cell: Cell) -> str:
    """Three digits that mean something, and no more."""
    if not isinstance(cell, float):
        return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell
    size = abs(cell)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{cell:,.{digits}f}"
