"""Text and JSON of checks: lines below the tables, the output of a monitoring plugin, and an object for scripts. Pure.

The output of a plugin follows the guidelines of monitoring-plugins.org, which Nagios, Icinga and Sensu read: one line
with state and summary, performance data after a vertical bar, then details.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from celery_gossip.console.check import (
    EXIT_CODES,
    WORST_FIRST,
    Expectations,
    Levels,
    Result,
    State,
    finding_state,
    overall,
    present_workers,
)
from celery_gossip.console.line import problem_line
from celery_gossip.console.report import Report
from celery_gossip.printable import printable

__all__ = ["check_json", "check_lines", "plugin_line", "plugin_text"]

_MOST_PROBLEMS = 3  #: named in the first line
_MOST_TEXT = 300  #: characters of one of them


def check_lines(results: Iterable[Result]) -> list[str]:
    """Return a line for each result that is not ok, and one for each check without such a result."""
    lines = []
    for check, group in groupby(results, key=lambda result: result.check):
        found = [*group]
        problems = [_line(result) for result in found if result.state != "ok"]
        lines += problems or [_line(found[0]) if len(found) == 1 else _all_ok(check, found)]
    return lines


def check_json(report: Report, results: Sequence[Result]) -> dict[str, Any]:
    """Return `{"state", "exit_code", "results": [{"check", "state", "subject", "value", "text"}]}`."""
    state = overall(report, results)
    return {
        "state": state,
        "exit_code": EXIT_CODES[state],
        "results": [
            {
                "check": result.check,
                "state": result.state,
                "source": result.source,
                "subject": result.subject,
                "value": result.value,
                "text": result.text,
            }
            for result in results
        ],
    }


def plugin_text(report: Report, results: Sequence[Result], expected: Expectations) -> str:
    """Return the output of a monitoring plugin."""
    state = overall(report, results)
    problems = sorted(_problems(report, results), key=lambda problem: WORST_FIRST.index(problem.state))
    summary = _summary([problem.brief for problem in problems]) or _good_news(report)
    first = f"{plugin_line(state, summary)} | {' '.join(_performance(report, results, expected))}"
    return "\n".join([first, *(_without_bar(problem.line) for problem in problems)])


class _Problem(NamedTuple):
    state: State
    brief: str  #: for the first line
    line: str  #: for the details


def _problems(report: Report, results: Iterable[Result]) -> Iterator[_Problem]:
    for result in results:
        if result.state != "ok":
            yield _Problem(result.state, result.text, _line(result))
    for finding in report.findings:
        brief = f"{finding.kind} {printable(finding.subject)}"
        yield _Problem(finding_state(finding), brief, problem_line(finding.severity, finding.age, finding.text))


def plugin_line(state: State, text: str) -> str:
    """Return the first line of a plugin, without performance data."""
    return f"GOSSIP {state.upper()}: {_without_bar(text)}"


def _summary(problems: Sequence[str]) -> str:
    named = "; ".join(text[:_MOST_TEXT] for text in problems[:_MOST_PROBLEMS])
    more = len(problems) - _MOST_PROBLEMS
    return f"{named} (and {more} more)" if more > 0 else named


def _good_news(report: Report) -> str:
    workers, queues = present_workers(report), len(report.queues)
    counts = f"{workers} {'worker' if workers == 1 else 'workers'}, {queues} {'queue' if queues == 1 else 'queues'}"
    return f"{counts}, no problems detected"


def _performance(report: Report, results: Sequence[Result], expected: Expectations) -> list[str]:
    """Return the number of workers, and the highest value of each limit that is checked."""
    is_known = not any(source.trouble for source in report.sources)
    workers = present_workers(report) if is_known else "U"  # the guidelines' value for what could not be determined
    data = [f"workers={workers}{_ranges(expected.workers, ':')};0"]
    limits = (
        ("max-backlog", "backlog", "", 1.0, expected.max_backlog),
        ("max-wait", "wait_p95", "s", 1.0, expected.max_wait),
        ("max-failure-rate", "failure_rate", "%", 100.0, expected.max_failure_rate),
    )
    for check, label, unit, scale, levels in limits:
        values = [result.value for result in results if result.check == check and result.value is not None]
        if values:
            data.append(f"{label}={max(values) * scale:.6g}{unit}{_ranges(levels, scale=scale)};0")
    return data


def _ranges(levels: Levels | None, suffix: str = "", scale: float = 1.0) -> str:
    if levels is None:
        return ";;"
    warning = "" if levels.warning is None else f"{levels.warning * scale:.6g}{suffix}"
    return f";{warning};{levels.critical * scale:.6g}{suffix}"


def _line(result: Result) -> str:
    return f"{result.state.upper()} {result.check}: {result.text}"


def _all_ok(check: str, results: Sequence[Result]) -> str:
    """Return one line for several results that are all ok, with the highest value if they have one."""
    highest = max(results, key=lambda result: -1.0 if result.value is None else result.value)
    if highest.value is None:
        return f"OK {check}: {'; '.join(result.text for result in results)}"
    return f"OK {check}: {highest.text}, the most of {len(results)} queues"


def _without_bar(text: str) -> str:
    """Replace vertical bars, which begin performance data."""
    return text.replace("|", "\\x7c")
