"""The measurements of a run of this suite, and docs/explanation/faults.md, which is rendered from them.

A test measures and checks in one step: `figures.check("killed", case, "reports per interval", 1.02, least=0.9)`. The
full form stores every measurement in docs/explanation/faults.json, where it replaces the former ones of the case, and
renders the page.
"""

import json
import os
import platform
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

__all__ = ["ROWS", "Figure", "Figures"]

_MAX_LISTED = 14  #: cases of a row that the page lists by name
DOCS = Path(__file__).parents[2] / "docs" / "explanation"

#: `{row: (the fault, its target)}`, in the order of the page.
ROWS = {
    "none": (
        "no fault, 1 h",
        "additional timer delay p99.9 < 1 ms; CPU < 0.5 % of a core; memory ± 1 MB/h; threads and descriptors constant",
    ),
    "killed": (
        "broker killed with `kill -9` and restarted, 50 times",
        "one timer, thread and connection; 1.0 ± 0.1 reports per interval; no additional reconnect of a worker",
    ),
    "hung": (
        "broker frozen (SIGSTOP) for 30 s, black hole, DNS without response",
        "additional timer delay < 5 ms; task throughput within 2 %; warm shutdown at most 2 s longer",
    ),
    "alarm": ("RabbitMQ's memory alarm, 60 s", "tasks acknowledged at the full rate; next report within 3 s"),
    "refused": (
        "Redis: CLIENT PAUSE, CLIENT KILL 100 times, maxclients, ACL",
        "no traceback; one log line per minute and kind; recovery within 3 s",
    ),
    "hooks": ("twelve classes of exceptions raised in every hook", "exit code 0, no task lost, no reconnect"),
    "forks": ("10,000 forks at an interval of 5 ms", "no child hangs"),
    "deaf": (
        "listener stopped for 5 min at 1,000 messages per second",
        "memory of the broker bounded; at most 100 stale messages; view correct within 3 s",
    ),
    "clocks": ("a worker's clock ± 1 day, stepping, drifting by 10 %", "the same states"),
    "flood": ("20,000 messages per second from one peer", "listener below 200 MB; real workers stay in the view"),
    "names": ("a million hostnames", "listener below 200 MB; real workers stay in the view"),
    "replay": ("a recorded signed message replayed 8,000 times per second", "its live worker stays online"),
    "boots": ("8 recorded instances replayed at 8 messages per second", "the live ninth is in the view within 5 s"),
    "crowd": ("400 messages with 390 queue names each", "a dead worker is lost within 12 s"),
    "resources": ("disk full, no descriptors left, no memory left", "the worker keeps running; one log line"),
    "network": (
        "delay, half-open, reset, slices of one byte, stall",
        "no live worker becomes lost; view correct within 3 s",
    ),
    "brokers": (
        "Redis Sentinel fails over; RabbitMQ quorum queues",
        "reports resume without a restart; queues reported correctly",
    ),
}

_PREFACE = """# Faults

Faults that are injected into workers and listeners, and their effects. `make faults` and `make soak` run all of them
and write this page; `make test` runs a short form. Every target is an assertion in `tests/faults`. The machine is
noisy: measurements are compared with a worker without the bootstep in the same run. Every measurement of every case is
in `faults.json`.

**Attacks**: what a hostile peer on the broker, or a hostile client of the dashboard, can do, before and after defences
were added, is in [attacks.md](attacks.md), with the test of each defence.

{machine}.
"""


@dataclass(frozen=True)
class Figure:
    """One measured quantity."""

    row: str  #: of ROWS
    case: str  #: pool, broker and other parameters
    quantity: str  #: with its unit
    value: float | str
    target: str  #: bounds in words; empty if there are none
    is_held: bool = True
    note: str = ""


class Figures:
    """Measurements of this run; save() adds them to those of former runs."""

    def __init__(self, *, is_kept: bool) -> None:
        self._is_kept = is_kept
        self._added: list[Figure] = []
        self._missing: dict[str, str] = {}

    def check(
        self,
        row: str,
        case: str,
        quantity: str,
        value: float,
        *,
        least: float | None = None,
        most: float | None = None,
        is_noisy: bool = False,
        note: str = "",
    ) -> None:
        """Store a measurement and fail if it is beyond its bounds; a noisy one fails in the full form only."""
        is_held = (least is None or value >= least) and (most is None or value <= most)
        self._add(Figure(row, case, quantity, round(value, 4), _bounds(least, most), is_held, note))
        assert is_held or (is_noisy and not self._is_kept), f"{case}: {quantity} is {value}, {_bounds(least, most)}"

    def note(self, row: str, case: str, quantity: str, value: float | str, note: str = "") -> None:
        """Store a measurement that has no target."""
        self._add(Figure(row, case, quantity, round(value, 4) if isinstance(value, float) else value, "", True, note))

    def miss(self, row: str, case: str, reason: str) -> None:
        """Store that this case could not be run on this machine, and why."""
        self._missing[f"{row}: {case}"] = reason

    def save(self, docs: Path = DOCS) -> None:
        """Write faults.json and faults.md in docs/explanation in the full form; print them in the short form."""
        if not (self._added or self._missing):
            return
        if not self._is_kept:
            print("\n" + "\n".join(_line(figure) for figure in self._added))
            return
        kept = _read(docs)
        ran = {"date": time.strftime("%Y-%m-%d"), "commit": _commit()}
        replaced = {(figure.row, figure.case) for figure in self._added}
        figures = [one for one in kept["figures"] if (one["row"], one["case"]) not in replaced]
        kept["figures"] = figures + [{**asdict(figure), **ran} for figure in self._added]
        kept["missing"] = {
            case: reason for case, reason in kept["missing"].items() if tuple(case.split(": ", 1)) not in replaced
        } | self._missing
        kept["machine"] = _machine()
        (docs / "faults.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        (docs / "faults.md").write_text(_page(kept))

    def _add(self, figure: Figure) -> None:
        assert figure.row in ROWS, figure.row
        self._added.append(figure)


def _read(docs: Path) -> dict:  # type: ignore[type-arg]
    path = docs / "faults.json"
    kept: dict = json.loads(path.read_text()) if path.exists() else {"figures": [], "missing": {}}  # type: ignore[type-arg]
    return kept


def _bounds(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f"{least:g} to {most:g}" if least != most else f"exactly {least:g}"
    if most is not None:
        return f"at most {most:g}"
    return f"at least {least:g}" if least is not None else ""


def _line(figure: Figure) -> str:
    held = "" if figure.is_held else "  BEYOND ITS TARGET"
    return f"{figure.row}: {figure.case}: {figure.quantity}: {figure.value} {figure.target}{held}"


def _page(kept: dict) -> str:  # type: ignore[type-arg]
    sections, summary = [], ["| fault | measurements | beyond their target |", "|---|---|---|"]
    for row, (fault, target) in ROWS.items():
        figures = [one for one in kept["figures"] if one["row"] == row]
        missing = {case: why for case, why in kept["missing"].items() if case.startswith(f"{row}: ")}
        if figures or missing:
            beyond = sum(not one["is_held"] for one in figures)
            summary.append(f"| {fault} | {len(figures)} | {beyond or 'none'} |")
            sections.append(_section(fault, target, figures, missing))
    return "\n".join([_PREFACE.format(machine=kept["machine"]), *summary, "", *sections])


def _section(fault: str, target: str, figures: list, missing: dict) -> str:  # type: ignore[type-arg]
    """Return a row per quantity over all cases, and a line for each measurement beyond its target."""
    lines = [f"## {fault[0].upper()}{fault[1:]}\n", f"Target: {target}.\n"]
    if figures:
        cases = dict.fromkeys(one["case"] for one in figures)
        ran = sorted({f"{one['date']} at {one['commit']}" for one in figures})
        named = f"Cases: {'; '.join(cases)}" if len(cases) <= _MAX_LISTED else f"{len(cases)} cases"
        lines += [f"{named}. Measured {', '.join(ran)}.\n"]
        lines += ["| quantity | cases | lowest | highest | target |", "|---|---|---|---|---|", *_quantities(figures)]
    notes_below = [
        f"- **Beyond its target**: {one['case']}: {one['quantity']} {one['value']}, {one['target']}"
        for one in figures
        if not one["is_held"]
    ]
    notes = Counter((one["quantity"], one["note"]) for one in figures if one["note"])
    notes_below += [f"- {quantity} ({count} cases): {note}" for (quantity, note), count in notes.items()]
    notes_below += [f"- Not run: {case.partition(': ')[2]}: {why}" for case, why in missing.items()]
    return "\n".join([*lines, "", *notes_below]).rstrip() + "\n"


def _quantities(figures: list) -> Iterator[str]:  # type: ignore[type-arg]
    for quantity in dict.fromkeys(one["quantity"] for one in figures):
        group = [one for one in figures if one["quantity"] == quantity]
        targets = {one["target"] for one in group if one["target"]}
        target = targets.pop() if len(targets) == 1 else "varies by case" if targets else ""
        yield f"| {quantity} | {len(group)} | {' | '.join(_range([one['value'] for one in group]))} | {target} |"


def _range(values: list) -> tuple[str, str]:  # type: ignore[type-arg]
    """Return the lowest and the highest value; texts in alphabetical order."""
    if all(isinstance(value, (int, float)) for value in values):
        return f"{min(values):g}", f"{max(values):g}"
    words = sorted(map(str, set(values)))
    return words[0], words[-1] if len(words) > 1 else ""


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=DOCS, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name.lower())}" for name in ("Celery", "Kombu", "redis"))
    python = f"Python {platform.python_version()}"
    return f"A virtual machine with {os.cpu_count()} cores, {python}, {packages}, Redis 7.0, RabbitMQ 3.10"
