"""What is nobody's business is in no gossip, and in nothing that is made of it; a password is shown nowhere."""

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from kombu import Connection, Exchange, Queue

from celery_gossip.wire.messages import decode
from tests.support import brokers, eventually
from tests.support.commands import commanded, ended
from tests.support.exporting import exporting
from tests.support.refusals import refusal
from tests.support.spill import CANARY
from tests.support.workers import QUIET, REPOSITORY, Project
from tests.web.web_command import running_dashboard


class Wire:
    """Everything that is published on a project's exchange, as raw as it gets."""

    def __init__(self, connection: Any, exchange: str) -> None:
        channel = connection.default_channel
        self._connection = connection
        self._raw: list[bytes] = []
        self._pubsub = self._queue = None
        if connection.transport.driver_type == "redis":
            self._pubsub = channel.client.pubsub()
            self._pubsub.psubscribe(f"*{exchange}*")
        else:
            source = Exchange(exchange, type="fanout", durable=False, delivery_mode="transient")
            self._queue = Queue(f"spy_{uuid4().hex}", source, exclusive=True, auto_delete=True, durable=False)(channel)
            self._queue.declare()

    @property
    def raw(self) -> list[bytes]:
        while (message := self._next()) is not None:
            self._raw.append(message)
        return self._raw

    @property
    def bodies(self) -> list[bytes]:
        return self.raw if self._queue is not None else [_body_in(one) for one in self.raw]

    def _next(self) -> bytes | None:
        if self._pubsub is not None:
            while (got := self._pubsub.get_message(timeout=0.05)) is not None:
                if got["type"] == "pmessage":
                    return bytes(got["data"])
            return None
        message = self._queue.get(no_ack=True)  # type: ignore[attr-defined]
        if message is None:
            return None
        self._raw.append(repr((message.headers, message.properties, message.delivery_info)).encode())
        return message.body if isinstance(message.body, bytes) else message.body.encode()


def _body_in(envelope: bytes) -> bytes:
    import base64

    return base64.b64decode(json.loads(envelope)["body"])


@contextlib.contextmanager
def wire_of(project: Project) -> Iterator[Wire]:
    with Connection(project.broker_url) as connection:
        yield Wire(connection, project.conf["gossip_exchange"])


def spill(project: Project) -> None:
    """Send tasks with canaries wherever a task can carry one."""
    with project.app() as app, app.connection_for_write() as connection:
        for name in ("keep", "blurt", "again"):
            for _ in range(3):
                app.send_task(
                    f"tests.support.spill.{name}",
                    args=(f"{CANARY}-arg", {f"{CANARY}-key": 1}),
                    kwargs={f"{CANARY}_kwarg": f"{CANARY}-value"},
                    headers={f"{CANARY}-header": f"{CANARY}-header-value"},
                    shadow=f"{CANARY}-shadow",
                    queue=project.queues[0],
                    connection=connection,
                )


def test_nothing_that_a_task_carries_is_in_a_gossip_or_in_what_is_made_of_it(project: Project) -> None:
    project.extra_environment = {
        "GOSSIP_TEST_IMPORT": "tests.support.spill",
        "SOME_TOKEN": f"{CANARY}-environment",
        f"{CANARY}_NAME": "something",
    }
    project.install = {"interval": 0.2}
    with (
        project.worker("--without-mingle", pool="prefork") as worker,
        wire_of(project) as wire,
        commanded(project, "watch") as watch,
        commanded(project, "watch", "--json") as json_watch,
        exporting(project) as exporter,
    ):

        def is_known() -> None:  # what was counted before the exporter's first report is not in its counters
            assert exporter.scrape().all("celery_worker_up", hostname=worker.node) == [1]

        eventually(is_known, timeout=20)
        spill(project)

        def is_told() -> None:
            told = b"".join(wire.bodies)
            for name in ("keep", "blurt", "again"):
                assert f"tests.support.spill.{name}".encode() in told
            assert b'"failed":{"Indiscreet":' in told, "nobody has failed yet"
            assert 'exception="Indiscreet"' in exporter.text()

        eventually(is_told, timeout=20, every=0.3)
        shown = {
            "the exporter": exporter.text(),
            "status": project.gossip("status").stdout,
            "status --json": json.dumps(project.status()),
            "inspect gossip": project.celery("inspect", "gossip", "--json", "-d", worker.node).stdout,
            "inspect stats": json.dumps(project.inspect("stats", worker.node)["queue_gossip"]),
        }
        watch.terminate(), json_watch.terminate()
        shown["watch"], shown["watch --json"] = watch.communicate()[0], json_watch.communicate()[0]
        shown["the log"] = "\n".join(line for line in worker.output.splitlines() if "celery-gossip: " in line)
        shown |= {f"message {number}": raw.decode() for number, raw in enumerate(wire.raw)}
        shown |= {f"body {number}": raw.decode() for number, raw in enumerate(wire.bodies)}
    secrets = {CANARY, str(REPOSITORY), os.path.expanduser("~/"), *environment_values(project)}
    leaks = {(place, secret) for place, text in shown.items() for secret in secrets if secret in text}
    assert leaks == set()
    assert "Indiscreet" in shown["watch --json"] and "body 5" in shown


DETAILS = (  #: what must have been published before the end of the test
    *(b'"software":{', b'"release":"v42"', b'"resources":[', b'"stack":[', b'"held":[', b'"newest":[', b'"sent":{'),
    *(b'"undecodable":', b'"reserved_tasks":', b'"scheduled_tasks":', b'"spill.unknown"', b'"names":['),
)
PATHS = ("workers", "queues", "tasks", "findings", "series", "throughput", "balance", "openapi.json")


@pytest.mark.redis
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_no_detail_that_is_reported_of_a_worker_carries_what_it_was_given(
    redis_project: Project, pool: str, tmp_path: Path
) -> None:
    """Running and waiting tasks, messages that are held, stacks, software, resources, and counts of senders."""
    project, folder = redis_project, tmp_path / f"{CANARY}-folder"
    address = project.broker_url.rpartition("@")[2].removeprefix("redis://")
    folder.mkdir()
    shutil.copy(REPOSITORY / "tests" / "support" / "spill.py", folder / "spilled.py")
    project.broker_url = f"redis://default:{CANARY}-password@{address}"  # its default user accepts any password
    project.conf["broker_transport_options"] = {**project.conf["broker_transport_options"], "visibility_timeout": 20}
    private = {"shop_password": f"{CANARY}-setting", "result_backend": f"file://{folder}", "shop_list": [CANARY] * 3}
    project.folder, project.install = folder, {"interval": 0.5, "release": "v42", "count_sent": True}
    project.conf |= private
    project.extra_environment = {
        "GOSSIP_TEST_IMPORT": "spilled",
        "PYTHONPATH": os.pathsep.join((str(folder), str(REPOSITORY))),
        "DJANGO_SECRET_KEY": f"{CANARY}-environment",
    }
    try:
        with (
            wire_of(project) as wire,
            running_dashboard(project) as dashboard,
            exporting(project) as exporter,
            project.worker(*QUIET, pool=pool, concurrency=3) as worker,
        ):
            give_secrets(project)

            def is_told() -> None:
                told = b"".join(wire.bodies)
                assert [detail for detail in DETAILS if detail not in told] == []
                assert b"spilled:block:" in told, "no stack of the blocked event loop"

            eventually(is_told, timeout=60, every=0.5)
            shown = {path: httpx.get(f"{dashboard.url}api/{path}", timeout=5).text for path in PATHS}
            hostname = quote(worker.node)
            shown |= {
                "worker": httpx.get(f"{dashboard.url}api/workers/0/{hostname}", timeout=5).text,
                "queue": httpx.get(f"{dashboard.url}api/queues/0/{project.queues[0]}", timeout=5).text,
                "metrics": exporter.text(),
                "status": project.gossip("status", "--tasks", "--balance").stdout,
                "status --json": project.gossip("status", "--json", "--tasks", "--balance").stdout,
                "inspect gossip": project.celery("inspect", "gossip", "--json", "-d", worker.node).stdout,
                "log": "\n".join(line for line in worker.output.splitlines() if "celery-gossip: " in line),
            }
            (_, web_log), (_, exporter_log) = dashboard.stop(), exporter.stop(signal.SIGTERM)
            shown |= {"log of the dashboard": web_log, "log of the exporter": exporter_log}
            shown |= {f"message {number}": raw.decode() for number, raw in enumerate(wire.raw)}
            shown |= {f"body {number}": raw.decode() for number, raw in enumerate(wire.bodies)}
    finally:
        for name in private:
            project.conf.pop(name)
    assert "spilled.hold" in shown["worker"] and "spilled.hold" in shown["status --json"], "nothing is shown"
    secrets = {CANARY, str(tmp_path), str(REPOSITORY), os.path.expanduser("~/"), *environment_values(project)}
    leaks = {(place, secret) for place, text in shown.items() for secret in secrets if secret in text}
    assert leaks == set()


def give_secrets(project: Project) -> None:
    """Send tasks that run, wait, fail, are retried, have an ETA, are unknown, and bytes that are no task."""
    arguments: dict[str, Any] = {
        "args": (f"{CANARY}-arg", {f"{CANARY}-key": 1}),
        "kwargs": {f"{CANARY}_kwarg": f"{CANARY}-value"},
        "headers": {f"{CANARY}-header": f"{CANARY}-header-value"},
        "shadow": f"{CANARY}-shadow",
        "queue": project.queues[0],
    }
    with project.app() as app, app.connection_for_write() as connection:
        for name in ("spilled.keep", "spilled.blurt", "spilled.again", "spill.unknown"):
            app.send_task(name, connection=connection, **arguments)
        app.send_task("spilled.keep", connection=connection, countdown=600, **arguments)
        for _ in range(6):
            app.send_task("spilled.hold", connection=connection, **arguments)
        with connection.Producer(serializer="raw") as producer:
            producer.publish(
                f"{{{CANARY}-body".encode(),
                routing_key=project.queues[0],
                content_type="application/json",
                content_encoding="utf-8",
                headers={"task": "spilled.keep", "id": str(uuid4()), f"{CANARY}-header": CANARY},
            )


def environment_values(project: Project) -> set[str]:
    """Every value that does not name the project itself, except the broker's address, which the log shows."""
    own = ("GOSSIP_TEST_", "CELERY_BROKER_URL")
    others = {name: value for name, value in project.environment.items() if not name.startswith(own)}
    return {value for value in others.values() if len(value) >= 8 and project.prefix not in value}


def test_of_a_task_that_runs_or_waits_its_id_is_told_or_by_option_not_even_that(project: Project) -> None:
    for limit, is_told in ((100, True), (0, False)):
        project.install = {"interval": 0.2, "active_limit": limit}
        with project.worker("--without-mingle", pool="threads", name=f"w{limit}"), wire_of(project) as wire:
            task_ids = [project.send("nap", 1.5) for _ in range(5)]  # two run, and the others wait

            def have_waited(wire: Wire = wire) -> None:
                gossips = [decode(body) for body in wire.bodies if b"hostname" in body]
                assert any(gossip.active for gossip in gossips)  # type: ignore[union-attr]
                assert sum(gossip.reserved > 0 for gossip in gossips) > 2  # type: ignore[union-attr]

            eventually(have_waited, timeout=10)
            told = [any(task_id.encode() in body for body in wire.bodies) for task_id in task_ids]
            assert any(told[:2]) is any(told[2:]) is is_told


# Passwords.

PASSWORD = "geheim"


def broken_urls() -> dict[str, str]:
    port = brokers.free_port()
    return {
        "refused": f"redis://user:{PASSWORD}@127.0.0.1:{port}/0",
        "failover": f"redis://:{PASSWORD}@127.0.0.1:{port}/0;redis://:{PASSWORD}@127.0.0.1:{port}/1",
        "unescaped": f"redis://user:a@b/{PASSWORD}@127.0.0.1:{port}/0",
        "query": f"redis://127.0.0.1:{port}/0?password={PASSWORD}",
        "unknown host": f"amqp://user:{PASSWORD}@no-such-host.invalid//",
        "unknown transport": f"nosuch://user:{PASSWORD}@127.0.0.1//",
        "no number": f"redis://user:{PASSWORD}@127.0.0.1:port/0",
        "sentinel": f"sentinel://:{PASSWORD}@127.0.0.1:{port};sentinel://:{PASSWORD}@127.0.0.1:{port}",
    }


def unreachable_project(where: str, name: str) -> Project:
    url = broken_urls()[name]
    return Project(url) if where == "app" else Project("memory://", gossip_broker_url=url)


@pytest.mark.parametrize(("where", "name"), [("app", "failover"), ("gossip", "refused")])
def test_a_command_that_cannot_reach_its_broker_says_so_without_the_password(name: str, where: str) -> None:
    done = unreachable_project(where, name).celery("gossip", "status", "--wait", "1")
    assert done.returncode == 3
    assert PASSWORD not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert line


@pytest.mark.parametrize(
    ("where", "name"),
    [
        *(("app", name) for name in ("unescaped", "query", "no number", "sentinel")),
        *(("gossip", name) for name in ("unescaped", "unknown host", "unknown transport")),
    ],
)
def test_no_command_shows_the_password_of_a_broker_that_it_cannot_reach(
    name: str, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The same without a process for each; what is logged is stderr there."""
    done = unreachable_project(where, name).gossip("status", "--wait", "1")
    assert done.returncode == 3
    assert PASSWORD not in done.stdout + done.stderr + caplog.text
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert line


@pytest.mark.redis
@pytest.mark.parametrize("name", ["refused", "failover", "unknown host"])
def test_a_worker_whose_gossip_broker_is_wrong_says_so_without_the_password(redis_project: Project, name: str) -> None:
    redis_project.conf["gossip_broker_url"] = broken_urls()[name]
    try:
        with redis_project.worker("--without-mingle", pool="threads") as worker:
            eventually(lambda: assert_in("cannot deliver to", worker.output), timeout=10)
            stats = json.dumps(redis_project.inspect("stats", worker.node)["queue_gossip"])
            assert worker.stop() == 0
            assert PASSWORD not in worker.output + stats
    finally:
        redis_project.conf["gossip_broker_url"] = None


@pytest.mark.parametrize("name", ["unescaped", "query"])
def test_a_url_that_a_worker_refuses_is_not_shown_with_its_password(name: str) -> None:
    error = refusal(Project("memory://", gossip_broker_url=broken_urls()[name]))
    assert error.startswith("Error: gossip_broker_url: expected") and PASSWORD not in error


def assert_in(part: str, whole: str) -> None:
    assert part in whole, whole


@pytest.fixture
def locked_redis() -> Iterator[str]:
    """A Redis that asks for a password; its URL with a wrong one."""
    with brokers.running(brokers.private("redis")) as broker:
        with Connection(broker.url) as connection:
            connection.default_channel.client.config_set("requirepass", "another")
        yield broker.url.replace("redis://", f"redis://:{PASSWORD}@")


@pytest.mark.redis
@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_wrong_password_is_refused_and_not_shown(redis_project: Project, locked_redis: str, kind: str) -> None:
    rabbitmq = brokers.RABBITMQ_URL.rpartition("@")[2]
    url = locked_redis if kind == "redis" else f"amqp://guest:{PASSWORD}@{rabbitmq}"
    if kind == "rabbitmq":
        brokers.require(brokers.RABBITMQ_URL)
    redis_project.conf["gossip_broker_url"] = url
    try:
        with (
            redis_project.worker("--without-mingle", pool="threads") as worker,
            commanded(redis_project, "watch") as watch,
        ):
            eventually(lambda: assert_in("cannot deliver to", worker.output), timeout=10)
            done = redis_project.celery("gossip", "status", "--wait", "2")
            assert watch.stderr is not None
            first = watch.stderr.readline()
            code, rest = ended(watch, signal.SIGINT)
            assert code == 0 and "cannot listen on" in first
            assert done.returncode == 3 and "cannot reach the broker" in done.stderr
            assert PASSWORD not in done.stdout + done.stderr + first + rest + worker.output
    finally:
        redis_project.conf["gossip_broker_url"] = None
