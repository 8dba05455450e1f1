"""The Prometheus files in docs/ are valid and name exported metrics only."""

import json
import re
from pathlib import Path

import pytest

from celery_gossip.exporter import FAMILIES
from tests.support.grafana import ALERTS, DASHBOARD, DOCS, expressions, metrics_in, panels
from tests.support.prometheus import promtool

NAMES = {family.name for family in FAMILIES}
PAGE = DOCS / "reference" / "metrics.md"
RULES_TEST = Path(__file__).parents[2] / "prometheus" / "alerts.test.yaml"


def test_the_page_lists_every_metric_with_its_labels_and_no_other() -> None:
    rows = re.findall(r"^\| `(celery_\w+)` \| \w+ \| (.*?) \| (.*) \|$", PAGE.read_text(), re.M)
    documented = {name: (tuple(re.findall(r"`(\w+)`", labels)), text) for name, labels, text in rows}
    assert documented == {family.name: (family.labels, family.help) for family in FAMILIES}


def test_the_page_names_exported_metrics_only() -> None:
    assert metrics_in(PAGE.read_text()) <= NAMES


def test_the_dashboard_queries_exported_metrics_only() -> None:
    queried = [metrics_in(expression) for expression in expressions(DASHBOARD)]
    assert all(queried)
    assert set().union(*queried) <= NAMES


def test_the_dashboard_can_be_imported_anywhere() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert "id" not in dashboard
    shown = [panel for panel in panels(DASHBOARD) if panel["type"] != "row"]
    used = [panel["datasource"]["uid"] for panel in shown] + [
        target["datasource"]["uid"] for panel in shown for target in panel["targets"]
    ]
    assert set(used) == {"${datasource}"}
    assert len({panel["id"] for panel in panels(DASHBOARD)}) == len(panels(DASHBOARD))


def test_no_two_panels_of_the_dashboard_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(DASHBOARD):
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_the_alerts_query_exported_metrics_only() -> None:
    named = metrics_in(ALERTS.read_text())
    assert named
    assert named <= NAMES


def test_promtool_accepts_the_alerts() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(ALERTS))


def test_the_alerts_fire_when_they_should() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(RULES_TEST))


@pytest.mark.parametrize("alert", re.findall(r"alert: (\w+)", ALERTS.read_text()))
def test_every_alert_is_seen_to_fire(alert: str) -> None:
    assert re.search(rf"alertname: {alert}\n +exp_alerts:", RULES_TEST.read_text())
