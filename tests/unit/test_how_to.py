"""Names in tutorials, how-to guides and decision records exist: metrics, settings, routes, fields, options, alerts."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
import yaml

from celery_gossip import GossipOptions, signals
from celery_gossip.cli import gossip
from celery_gossip.exporter import FAMILIES
from celery_gossip.web import parameter
from celery_gossip.web.response import QueueDetail
from celery_gossip.web.schema import Queue
from tests.unit.test_code_blocks import WORKER_OPTIONS, options_of

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
HOW_TO = DOCS / "how-to"
PAGES = [
    *sorted(DOCS.glob("tutorial/*.md")),
    *sorted(HOW_TO.glob("*.md")),
    *sorted(DOCS.glob("explanation/decisions/*.md")),
]
METRICS = {family.name for family in FAMILIES}
SETTINGS = {f"gossip_{field.name}" for field in fields(GossipOptions)} | {"gossip_enabled"}
#: The environment variable of each option of a command, without its first part.
VARIABLES = {f"gossip_{name}_{param.name}" for name, command in gossip.commands.items() for param in command.params}
#: Names that begin like a setting and are none: headers of messages, signals, environment variables.
NOT_SETTINGS = {"gossip_sent_at", "gossip_signature", *signals.__all__, *VARIABLES}

#: Options of other programs that pages name.
FOREIGN = {
    "docker": "--build --format --network --no-cache-dir --profile --scale --interval --start-period",
    "uvicorn": "--forwarded-allow-ips --port --timeout-graceful-shutdown --workers",
    "gunicorn": "--preload",
    "systemctl": "--failed --now",
    "Flower": "--address --auth --auth-provider --basic-auth --broker-api --certfile --db --inspect-timeout --keyfile "
    "--max-tasks --oauth2- --persistent --port --read-only --unix-socket --url-prefix",
    "celery-exporter": "--broker-ssl-option --broker-transport-option --broker-url --buckets "
    "--generic-hostname-task-sent-metric --host --metric-prefix --port --purge-offline-worker-metrics --queues "
    "--redbeat- --retry-interval --static-label --worker-timeout",
    "the health probe": "--max-age --owner",
    "celery events": "--dump",
    "celery worker": "--without-gossip --without-heartbeat",
}
OPTIONS = WORKER_OPTIONS.union(*map(options_of, gossip.commands.values())).union(*map(str.split, FOREIGN.values()))


def page(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def named(text: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, text))


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_metrics_exist(path: Path) -> None:
    given = named(path.read_text("utf-8"), r"\bcelery_(?:gossip|task|worker|queue|active)_\w+[a-z]")
    assert {re.sub(r"_(?:bucket|sum)$", "", name) for name in given} <= METRICS


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_settings_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    given = {name.lower() for name in named(text, r"\bCELERY_(GOSSIP_[A-Z_]*[A-Z])\b")}
    given |= named(text, r"(?<![\w.$-])(gossip_[a-z_]*[a-z])\b(?!\()")
    assert given - SETTINGS - NOT_SETTINGS == set()


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_options_exist(path: Path) -> None:
    assert named(path.read_text("utf-8"), r"(?<![\w-])--[a-z][a-z0-9-]+") - OPTIONS == set()


def test_the_api_response_has_the_fields_of_a_queue() -> None:
    text = (HOW_TO / "autoscaling.md").read_text("utf-8")
    (response,) = (json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", text, re.M | re.S))
    queue = response["queue"]
    assert msgspec.convert(response, QueueDetail)
    assert {*response} == {field.name for field in msgspec.structs.fields(QueueDetail)}
    assert list(queue) == [field.name for field in msgspec.structs.fields(Queue)]
    assert queue["load"] == (queue["active"] + queue["reserved"] + queue["backlog"]) / queue["slots"]


def test_the_scaler_reads_a_number_that_the_api_returns() -> None:
    text = (HOW_TO / "autoscaling.md").read_text("utf-8")
    documents = [
        one for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S) for one in yaml.safe_load_all(block)
    ]
    triggers = [one for document in documents for one in document.get("spec", {}).get("triggers", ())]
    (api,) = (trigger["metadata"] for trigger in triggers if trigger["type"] == "metrics-api")
    url = urlsplit(api["url"])
    assert url.path == "/api/queues/0/mail"
    assert parse_qs(url.query).keys() <= {parameter.TARGET_SECONDS.name, parameter.SLOTS.name}
    assert api["valueLocation"] in {field.name for field in msgspec.structs.fields(QueueDetail)}


def test_the_page_lists_every_alert() -> None:
    rules = yaml.safe_load((DOCS / "prometheus-alerts.yaml").read_text("utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert named((HOW_TO / "alerts.md").read_text("utf-8"), r"`(Celery[A-Z]\w+)`") == alerts


def replacements() -> Iterator[str]:
    """Yield the right-hand cells of the tables of the page about Flower."""
    for line in (HOW_TO / "from-flower.md").read_text("utf-8").splitlines():
        if line.startswith("| "):
            yield line.rstrip(" |").rpartition(" | ")[2]


def test_what_replaces_flower_exists() -> None:
    document = (DOCS.parent / "celery_gossip" / "web" / "route_table.py").read_text("utf-8")
    routes = named(document, r'path="(/[a-z/]+)"')
    shown = {path for cell in replacements() for path in named(cell, r"`(?:GET|POST) (/[a-z/]+)`")}
    assert len(shown) >= 6
    assert shown <= routes
