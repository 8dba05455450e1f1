"""Details of single workers for `status --worker`: of a listener or a dashboard, as text and JSON. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.printable import printable
from celery_gossip.units import format_wait
from celery_gossip.wire.messages import DECODE_ERRORS, settings_of

__all__ = [
    "DETAIL",
    "DetailRow",
    "detail_paths",
    "detail_rows",
    "details_from",
    "details_json",
    "details_text",
    "not_in_view",
]

DETAIL = "api/workers/"  #: beginning of the paths of single workers
_UNKNOWN = "unknown"
_NOT_YET = "unknown: a worker reports them at its start and every two minutes; use --server, or --wait 130"


@dataclass(frozen=True, kw_only=True)
class DetailRow:
    """One worker. Empty or None where it has not reported a value."""

    hostname: str
    state: str
    pid: int | None  #: in its own namespace
    uptime: float | None  #: seconds since its program started
    release: str
    versions: dict[str, str]  #: `{package: version}`
    paused: tuple[str, ...]
    configuration: dict[str, bool | float | str]
    task_names: tuple[str, ...]
    source: str = ""


class _Software(msgspec.Struct, frozen=True):
    celery: str
    kombu: str
    python: str
    gossip: str


class _Worker(msgspec.Struct, frozen=True):
    source: str
    hostname: str
    state: str
    release: str
    paused: tuple[str, ...]
    software: _Software | None = None
    # Older dashboards do not have the following fields.
    pid: int | None = None
    started_at: float | None = None
    configuration: dict[str, bool | float | str] = {}
    task_names: tuple[str, ...] = ()


class _Detail(msgspec.Struct, frozen=True):
    now: float
    worker: _Worker


def detail_rows(
    view: View, hostnames: Sequence[str], names_of: Callable[[str], tuple[str, ...]]
) -> tuple[DetailRow, ...]:
    """Return the rows of those of these workers that are in the view; `names_of` returns the task names of one."""
    found = (view.worker(hostname) for hostname in dict.fromkeys(hostnames))
    return tuple(_row_of(view, one, names_of(one.hostname)) for one in found if one is not None)


def detail_paths(sources: Iterable[str], hostnames: Iterable[str]) -> tuple[str, ...]:
    """Return the paths of these workers on each source of a dashboard."""
    return tuple(_path(source, hostname) for hostname in dict.fromkeys(hostnames) for source in sources)


def details_from(bodies: Mapping[str, bytes], label: Callable[[str], str]) -> tuple[DetailRow, ...]:
    """Return the rows of the answers of a dashboard by path. Raises ValueError where one is not that of a dashboard."""
    rows = []
    for path, body in bodies.items():
        if path.startswith(DETAIL):
            try:
                found = msgspec.json.decode(body, type=_Detail)
            except DECODE_ERRORS as exc:
                raise ValueError(f"{path} is not the JSON of a dashboard: {exc}") from exc
            rows.append(_row_from(found, label))
    return tuple(rows)


def not_in_view(rows: Iterable[DetailRow], hostnames: Iterable[str]) -> list[str]:
    """Return a line for each of the hostnames without a row."""
    found = {row.hostname for row in rows}
    missing = [hostname for hostname in dict.fromkeys(hostnames) if hostname not in found]
    return [f"no worker {printable(hostname)} has reported" for hostname in missing]


def details_json(rows: Iterable[DetailRow]) -> list[dict[str, Any]]:
    """Return the fields; `uptime` in seconds, null if unknown."""
    return [{name: value for name, value in asdict(row).items() if name != "source" or value} for row in rows]


def details_text(rows: Sequence[DetailRow], *, is_labelled: bool) -> str:
    """Return a paragraph for each worker."""
    return "\n\n".join("\n".join(_lines(row, is_labelled=is_labelled)) for row in rows)


def _lines(row: DetailRow, *, is_labelled: bool) -> Iterable[str]:
    broker = f"[{printable(row.source)}] " if is_labelled else ""
    versions = ", ".join(f"{name} {printable(text)}" for name, text in row.versions.items() if text)
    yield f"{broker}{printable(row.hostname)}: {row.state}"
    yield f"  PID               {_UNKNOWN if row.pid is None else row.pid}"
    yield f"  up for            {_UNKNOWN if row.uptime is None else format_wait(row.uptime)}"
    yield f"  release           {printable(row.release) or _UNKNOWN}"
    yield f"  versions          {versions or _UNKNOWN}"
    yield f"  paused queues     {', '.join(map(printable, row.paused)) or 'none'}"
    yield f"  configuration     {'' if row.configuration else _NOT_YET}".rstrip()
    yield from (f"    {printable(name)} = {_value_text(value)}" for name, value in row.configuration.items())
    yield f"  registered tasks  {len(row.task_names) or _NOT_YET}"
    yield from (f"    {printable(name)}" for name in row.task_names)


def _value_text(value: bool | float | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(value) if isinstance(value, str) else f"{value:.15g}"


def _row_of(view: View, worker: WorkerView, names: tuple[str, ...]) -> DetailRow:
    software = worker.software
    settings: dict[str, bool | float | str] = {} if software is None else dict(settings_of(software))
    settings.update((one.name, one.value) for one in worker.configuration)
    until = worker.heard_at if worker.is_gone else view.taken_at
    return DetailRow(
        hostname=worker.hostname,
        state=worker.state,
        pid=worker.pid,
        uptime=None if worker.started_at is None else round(max(0.0, until - worker.started_at), 1),
        release=worker.release,
        versions={} if software is None else _versions(software),
        paused=tuple(check.queue for check in worker.gossip.checks if check.paused),
        configuration=dict(sorted(settings.items())),
        task_names=names,
    )


def _row_from(found: _Detail, label: Callable[[str], str]) -> DetailRow:
    worker = found.worker
    return DetailRow(
        hostname=worker.hostname,
        state=worker.state,
        pid=worker.pid,
        uptime=None if worker.started_at is None else round(max(0.0, found.now - worker.started_at), 1),
        release=worker.release,
        versions={} if worker.software is None else _versions(worker.software),
        paused=worker.paused,
        configuration=worker.configuration,
        task_names=worker.task_names,
        source=label(worker.source),
    )


def _versions(software: Any) -> dict[str, str]:
    return {
        "Celery": software.celery,
        "Kombu": software.kombu,
        "Python": software.python,
        "celery-gossip": software.gossip,
    }


def _path(source: str, hostname: str) -> str:
    path = f"{DETAIL}{quote(source, safe='')}/"
    return f"{path}?{urlencode({'name': hostname})}" if hostname in (".", "..") else path + quote(hostname, safe="")
