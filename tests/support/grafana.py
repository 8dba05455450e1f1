"""The dashboard and the alerts in docs/, as a test reads them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = DOCS / "grafana-dashboard.json"
ALERTS = DOCS / "prometheus-alerts.yaml"
_METRIC = re.compile(r"\bcelery_(?!gossip\b)\w+")
_SUFFIX = re.compile(r"_(bucket|count|sum)$")


def panels(path: Path) -> list[dict[str, Any]]:
    """Of a dashboard, its rows among them."""
    return list(json.loads(path.read_text())["panels"])


def expressions(path: Path) -> Iterator[str]:
    """Every query of a dashboard."""
    for panel in panels(path):
        for target in panel.get("targets", ()):
            yield target["expr"]


def metrics_in(text: str) -> set[str]:
    """The metrics of Celery named in it; a histogram's parts under its name."""
    return {
        name if name.endswith(("worker_count", "process_count", "consumer_count")) else _SUFFIX.sub("", name)
        for name in _METRIC.findall(text)
    }
