"""Results of many seeds as Markdown tables. Pure, except write()."""

import datetime
import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from tests.workload.run import SeedResult

__all__ = ["summary", "write"]

_BEGIN, _END = "<!-- results -->", "<!-- end of results -->"


def summary(results: list[SeedResult]) -> str:
    """Return the number of runs and differences for each pool and broker, then counts and reasons for bounds."""
    lines = [
        "| pool | broker | seeds | task runs | numbers that differ | seeds with an error |",
        "|---|---|---|---|---|---|",
    ]
    for pool, broker in dict.fromkeys((each.pool, each.broker) for each in results):
        own = [each for each in results if (each.pool, each.broker) == (pool, broker)]
        differ = sum(len(each.differences) for each in own)
        errors = sum(bool(each.error) for each in own)
        lines.append(f"| {pool} | {broker} | {len(own)} | {sum(each.runs for each in own):,} | {differ} | {errors} |")
    return "\n".join([*lines, "", *_ends(results), "", *_reasons(results)])


def write(path: Path, results: list[SeedResult], tasks: int) -> None:
    """Replace the text between the markers of a document."""
    names = ("celery", "kombu", "amqp", "redis", "billiard", "gevent", "eventlet")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    today = datetime.datetime.now(tz=datetime.timezone.utc).date()
    head = f"{today}, {tasks} tasks per seed. Python {platform.python_version()}, {versions}."
    text = path.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}\n{head}\n\n{summary(results)}\n{_END}{after}")


def _ends(results: list[SeedResult]) -> list[str]:
    ends: Counter[str] = Counter()
    for each in results:
        ends.update(each.ends)
    rows = [f"| {name} | {count:,} |" for name, count in sorted(ends.items()) if count]
    return ["| counted | number |", "|---|---|", *rows]


def _reasons(results: list[SeedResult]) -> list[str]:
    reasons: Counter[str] = Counter()
    for each in results:
        reasons.update(each.reasons)
    events = reasons.pop("", 0)
    rows = [f"| {count:,} | {reason} |" for reason, count in sorted(reasons.items())]
    return [f"| with bounds, of {events:,} | reason |", "|---|---|", *rows]
