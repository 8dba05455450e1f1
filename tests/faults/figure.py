"""The figures of a run of this suite, and docs/faults.md, which is written from them.

A test measures and checks in one step: `figures.check("killed", case, "gossips per interval", 1.02, least=0.9)`. The
full form keeps every figure in docs/faults.json, a case's in the place of its former ones, and writes the page anew.
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

_MOST_NAMED = 14  #: cases of a row that the page names one by one
DOCS = Path(__file__).parents[2] / "docs"

#: `{row: (the fault, its target)}`, in the order of the page.
ROWS = {
    "none": (
        "none, 1 h",
        "loop stall added p99.9 < 1 ms; CPU < 0.5 % of a core; memory ± 1 MB/h; threads and descriptors constant",
    ),
    "killed": (
        "broker `kill -9` and back, 50 times",
        "one timer, thread and connection; 1.0 ± 0.1 gossips per interval; no worker reconnects because of us",
    ),
    "hung": (
        "broker frozen (SIGSTOP) for 30 s, black hole, DNS that does not answer",
        "loop stall added < 5 ms; task throughput within 2 %; warm shutdown at most 2 s longer",
    ),
    "alarm": ("RabbitMQ's memory alarm, 60 s", "tasks acked at the full rate; gossip again within 3 s"),
    "refused": (
        "Redis: CLIENT PAUSE, CLIENT KILL 100 times, maxclients, ACL",
        "no traceback; one log line a minute and kind; recovery within 3 s",
    ),
    "hooks": ("every hook, twelve classes of exceptions", "exit code 0, no task lost, no reconnect"),
    "forks": ("10,000 forks at an interval of 5 ms", "no child hangs"),
    "deaf": (
        "listener stopped for 5 min at 1,000 messages a second",
        "broker's memory bounded; at most 100 stale messages; right again within 3 s",
    ),
    "clocks": ("a worker's clock ± 1 day, stepping, drifting by 10 %", "the same verdicts"),
    "flood": ("20,000 messages a second from one peer", "listener below 200 MB; real workers stay visible"),
    "names": ("a million hostnames", "listener below 200 MB; real workers stay visible"),
    "resources": ("disk full, no descriptors left, no memory left", "the worker goes on; one clear line"),
    "network": (
        "delay, half-open, reset, slices of one byte, stall",
        "nobody is lost who lives; right again within 3 s",
    ),
    "brokers": ("Redis Sentinel fails over; RabbitMQ quorum queues", "gossip again by itself; queues told as they are"),
}

_PREFACE = """# Faults

What is done to workers and listeners, and what became of it. `make faults` and `make soak` run it all and write this
page; `make test` runs a short form. Every target is an assertion in `tests/faults`. The machine is noisy: where a
figure is compared, it is with a worker without the step, beside it in the same run. Every figure of every case is in
`faults.json`.

{machine}.
"""


@dataclass(frozen=True)
class Figure:
    """One quantity, measured."""

    row: str  #: of ROWS
    case: str  #: pool, broker, and what else tells it apart
    quantity: str  #: with its unit
    value: float | str
    target: str  #: in words; empty where there is none
    is_held: bool = True
    note: str = ""


class Figures:
    """What this run has measured; save() adds it to what former runs have."""

    def __init__(self, *, is_kept: bool) -> None:
        self._is_kept = is_kept
        self._taken: list[Figure] = []
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
        """Keep a figure, and fail where it is beyond its bounds; a noisy one fails in the full form alone."""
        is_held = (least is None or value >= least) and (most is None or value <= most)
        self._take(Figure(row, case, quantity, round(value, 4), _bounds(least, most), is_held, note))
        assert is_held or (is_noisy and not self._is_kept), f"{case}: {quantity} is {value}, {_bounds(least, most)}"

    def note(self, row: str, case: str, quantity: str, value: float | str, note: str = "") -> None:
        """Keep a figure that has no target."""
        self._take(Figure(row, case, quantity, round(value, 4) if isinstance(value, float) else value, "", True, note))

    def miss(self, row: str, case: str, reason: str) -> None:
        """Keep that this case could not be run here, and why."""
        self._missing[f"{row}: {case}"] = reason

    def save(self, docs: Path = DOCS) -> None:
        """Write docs/faults.json and docs/faults.md, in the full form; elsewhere print what was measured."""
        if not (self._taken or self._missing):
            return
        if not self._is_kept:
            print("\n" + "\n".join(_line(figure) for figure in self._taken))
            return
        kept = _read(docs)
        ran = {"date": time.strftime("%Y-%m-%d"), "commit": _commit()}
        retaken = {(figure.row, figure.case) for figure in self._taken}
        figures = [one for one in kept["figures"] if (one["row"], one["case"]) not in retaken]
        kept["figures"] = figures + [{**asdict(figure), **ran} for figure in self._taken]
        kept["missing"] = {
            case: reason for case, reason in kept["missing"].items() if tuple(case.split(": ", 1)) not in retaken
        } | self._missing
        kept["machine"] = _machine()
        (docs / "faults.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        (docs / "faults.md").write_text(_page(kept))

    def _take(self, figure: Figure) -> None:
        assert figure.row in ROWS, figure.row
        self._taken.append(figure)


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
    sections, summary = [], ["| fault | figures | beyond their targets |", "|---|---|---|"]
    for row, (fault, target) in ROWS.items():
        figures = [one for one in kept["figures"] if one["row"] == row]
        missing = {case: why for case, why in kept["missing"].items() if case.startswith(f"{row}: ")}
        if figures or missing:
            beyond = sum(not one["is_held"] for one in figures)
            summary.append(f"| {fault} | {len(figures)} | {beyond or 'none'} |")
            sections.append(_section(fault, target, figures, missing))
    return "\n".join([_PREFACE.format(machine=kept["machine"]), *summary, "", *sections])


def _section(fault: str, target: str, figures: list, missing: dict) -> str:  # type: ignore[type-arg]
    """A line per quantity, over all cases; what is beyond its target, case by case."""
    lines = [f"## {fault[0].upper()}{fault[1:]}\n", f"Target: {target}.\n"]
    if figures:
        cases = dict.fromkeys(one["case"] for one in figures)
        ran = sorted({f"{one['date']} at {one['commit']}" for one in figures})
        named = f"Cases: {'; '.join(cases)}" if len(cases) <= _MOST_NAMED else f"{len(cases)} cases"
        lines += [f"{named}. Measured {', '.join(ran)}.\n"]
        lines += ["| quantity | cases | lowest | highest | target |", "|---|---|---|---|---|", *_quantities(figures)]
    remarks = [
        f"- **Beyond its target**: {one['case']}: {one['quantity']} {one['value']}, {one['target']}"
        for one in figures
        if not one["is_held"]
    ]
    notes = Counter((one["quantity"], one["note"]) for one in figures if one["note"])
    remarks += [f"- {quantity} ({count} cases): {note}" for (quantity, note), count in notes.items()]
    remarks += [f"- Not run: {case.partition(': ')[2]}: {why}" for case, why in missing.items()]
    return "\n".join([*lines, "", *remarks]).rstrip() + "\n"


def _quantities(figures: list) -> Iterator[str]:  # type: ignore[type-arg]
    for quantity in dict.fromkeys(one["quantity"] for one in figures):
        group = [one for one in figures if one["quantity"] == quantity]
        targets = {one["target"] for one in group if one["target"]}
        target = targets.pop() if len(targets) == 1 else "each its own" if targets else ""
        yield f"| {quantity} | {len(group)} | {' | '.join(_range([one['value'] for one in group]))} | {target} |"


def _range(values: list) -> tuple[str, str]:  # type: ignore[type-arg]
    """The lowest and the highest; words as they are."""
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
