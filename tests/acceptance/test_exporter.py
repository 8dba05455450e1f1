"""`celery gossip exporter` beside real workers."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from tests.support import brokers, eventually
from tests.support.exporting import exporting
from tests.support.workers import REPOSITORY, Project


def runs_recorded(record: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in record.read_text().splitlines())


@pytest.mark.redis
def test_what_tasks_did_and_whether_their_worker_lives(redis_project: Project, tmp_path: Path) -> None:
    project, record = redis_project, tmp_path / "record"
    record.touch()
    project.extra_environment |= {"GOSSIP_TEST_IMPORT": "tests.support.fates", "GOSSIP_TEST_RECORD": str(record)}
    name, queue = "tests.support.fates", project.queues[0]
    with exporting(project) as exporter, project.worker("--without-mingle", pool="threads", concurrency=3) as worker:

        def is_up() -> None:
            assert exporter.scrape().all("celery_worker_up", hostname=worker.node) == [1]

        eventually(is_up)
        sent = [*["succeed"] * 3, *["fail_once"] * 2, "fail_otherwise", "reject"]
        send_stamped(project, sent)

        def is_counted() -> None:
            scrape = exporter.scrape()
            assert sum(scrape.all("celery_task_runtime_count")) == len(sent)
            assert scrape.one("celery_task_succeeded_total", name=f"{name}.succeed", queue_name=queue) == 3
            assert scrape.one("celery_task_failed_total", name=f"{name}.fail_once", exception="Mishap") == 2
            assert scrape.one("celery_task_failed_total", exception="ZeroDivisionError") == 1
            assert scrape.one("celery_task_rejected_total", name=f"{name}.reject") == 1
            assert scrape.one("celery_task_queue_wait_time_count", name=f"{name}.succeed") == 3
            assert sum(scrape.all("celery_task_received_total")) == len(sent)

        eventually(is_counted)
        assert runs_recorded(record).total() == len(sent)

        def is_idle() -> None:
            """The length of the queue is read every two seconds, and may have been read before the tasks were taken."""
            scrape = exporter.scrape()
            assert scrape.one("celery_active_process_count", queue_name=queue) == 3, "a pool of threads"
            assert scrape.one("celery_active_worker_count", queue_name=queue) == 1
            assert scrape.one("celery_queue_length", queue_name=queue) == 0
            assert scrape.one("celery_gossip_queue_load", queue_name=queue) == 0

        eventually(is_idle)

        worker.kill()
        send_stamped(project, ["succeed"] * 2)

        def is_down() -> None:
            scrape = exporter.scrape()
            assert scrape.all("celery_worker_up", hostname=worker.node) == [0]
            assert scrape.all("celery_worker_tasks_active", hostname=worker.node) == [0]
            assert scrape.one("celery_gossip_worker_state", hostname=worker.node, state="lost") == 1
            assert scrape.one("celery_active_worker_count", queue_name=queue) == 0
            assert scrape.one("celery_queue_length", queue_name=queue) == 2
            assert scrape.one("celery_gossip_queue_load", queue_name=queue) == 2

        eventually(is_down, timeout=15)
        assert exporter.stop(signal.SIGTERM) == (0, "")


@pytest.mark.redis
def test_priorities_on_redis_count_and_hostnames_need_not(redis_project: Project) -> None:
    project, queue = redis_project, redis_project.queues[0]
    for priority in (0, 3, 9):
        project.send("nothing", priority=priority)
    with exporting(project, "--no-hostname", "--buckets", "1,2") as exporter:

        def is_told() -> None:
            assert exporter.scrape().one("celery_queue_length", queue_name=queue) == 3

        eventually(is_told)
        with project.worker("--without-mingle", pool="solo", concurrency=1):

            def is_done() -> None:
                scrape = exporter.scrape()
                assert scrape.all("celery_task_succeeded_total", queue_name=queue) == [3]
                assert scrape.all("celery_worker_up") == [1]

            eventually(is_done)
        scrape = exporter.scrape()
        assert scrape.values_of("hostname") == set()
        assert scrape.values_of("le") == {"1.0", "2.0", "+Inf"}
        assert exporter.stop(signal.SIGINT) == (0, "")


@pytest.mark.redis
def test_scrapes_are_quick_and_end_soon_while_the_broker_is_away() -> None:
    project = Project(f"redis://:geheim@127.0.0.1:{brokers.free_port()}/0")
    with exporting(project) as exporter:

        def is_isolated() -> None:
            assert exporter.scrape().one("celery_gossip_isolated") == 1

        eventually(is_isolated)
        began = time.monotonic()
        for _ in range(20):
            exporter.scrape()
        assert time.monotonic() - began < 20 * 0.05
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(exporter.url.replace("/metrics", "/health"), timeout=5)
        code, errors = exporter.stop(signal.SIGTERM)
    assert code == 0
    assert "cannot listen on" in errors and "geheim" not in errors and "Traceback" not in errors


def test_a_port_in_use_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = Project("memory://").celery("gossip", "exporter", "--port", port)
    assert done.returncode == 1
    assert done.stderr == f"Error: --bind, --port: cannot serve on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--port", "70000"), "70000 is not in the range 0<=x<=65535"),
        (("--buckets", "1,1"), "--buckets: expected 1 to 100 rising bounds above 0 in seconds, got (1.0, 1.0)"),
        (("--max-series", "-1"), "--max-series: expected a number of at least 0, got -1"),
        (("--bind", "no.such.host.invalid"), "cannot serve on no.such.host.invalid:9808: "),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_one_line(flags: tuple[str, str], complaint: str) -> None:
    done = Project("memory://").gossip("exporter", *flags)
    assert done.returncode in (1, 2)
    assert complaint in done.stderr.splitlines()[-1]


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "prometheus_client.py").write_text("raise ModuleNotFoundError('gone', name='prometheus_client')\n")
    project = Project("memory://")
    project.extra_environment["PYTHONPATH"] = str(tmp_path)
    done = project.celery("gossip", "exporter")
    assert done.returncode == 1
    need = 'Error: celery gossip exporter needs prometheus_client: pip install "celery-gossip[prometheus]"\n'
    assert done.stderr == need


def send_stamped(project: Project, names: list[str]) -> None:
    """From a process that has this package installed, so that waits are known."""
    code = f"from tests.support import fates\n[getattr(fates, n).apply_async((0.01,)) for n in {names!r}]"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
