"""Real `celery worker` processes, and the project as a client of their own sees it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psutil
from celery import Celery
from click.testing import CliRunner
from kombu import Connection, Exchange, Queue

from celery_gossip import cli
from tests.support.brokers import is_reachable
from tests.support.waiting import eventually

REPOSITORY = Path(__file__).parents[2]
QUIET = ("--without-mingle", "--without-heartbeat", "--without-gossip")  #: of a worker that says little beside ours
_CELERY = (sys.executable, "-m", "celery")


class Project:
    """One test's own corner of a broker: queue names, exchanges, settings, and the commands of Celery upon it."""

    def __init__(self, broker_url: str, **conf: Any) -> None:
        self.prefix = f"gossip_test_{uuid4().hex[:8]}"
        self.broker_url = broker_url
        self.conf = {"gossip_exchange": f"{self.prefix}_gossip", **_own_keys(broker_url, self.prefix), **conf}
        self.install: dict[str, Any] | None = {"interval": 0.5}
        self.extra_environment: dict[str, str] = {}
        self.extra_queues: list[str] = []  # made by the test beside a and b
        self.module = "tests.support.project"  # what follows -A
        self.wrapper: tuple[str, ...] = ()  # a command that runs its workers' command
        self.folder = REPOSITORY  # where its commands run

    @property
    def queues(self) -> tuple[str, str]:
        return f"{self.prefix}_a", f"{self.prefix}_b"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("CELERY_")},
            "CELERY_BROKER_URL": self.broker_url,
            "GOSSIP_TEST_PREFIX": self.prefix,
            "GOSSIP_TEST_CONF": json.dumps(self.conf),
            "GOSSIP_TEST_INSTALL": "" if self.install is None else json.dumps(self.install),
            "PYTHONWARNINGS": "",
            **self.extra_environment,
        }

    def app(self) -> Celery:
        """A client app of this project, in the test's process. Same settings and names, no tasks registered."""
        app = Celery(self.prefix, broker=self.broker_url, set_as_current=False)
        app.conf.update(
            control_exchange=self.prefix,
            event_exchange=f"{self.prefix}_events",
            task_default_queue=self.queues[0],
            task_queues=[Queue(name) for name in self.queues],
            task_ignore_result=True,
            **self.conf,
        )
        return app

    def send(self, task: str, *args: Any, queue: str = "a", **options: Any) -> str:
        """Send `nap`, `shout` or `nothing` to queue `a` or `b`; gives the task's id."""
        with self.app() as app, app.connection_for_write() as connection:
            name = f"tests.support.project.{task}"
            sent = app.send_task(name, args=args, queue=f"{self.prefix}_{queue}", connection=connection, **options)
        return str(sent.id)

    def celery(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `celery -A project …` to its end, as a process: for what depends on it. Otherwise see `gossip`."""
        return subprocess.run(
            [*_CELERY, "-A", self.module, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def gossip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `celery gossip …` in this process: it takes a second less, most of it CPU time. Not for what runs on."""
        with self.app() as app:
            app.conf.update({f"gossip_{name}": value for name, value in (self.install or {}).items()})
            done = CliRunner().invoke(
                cli.gossip,
                arguments,
                obj=SimpleNamespace(app=app),
                env=self.extra_environment,
                auto_envvar_prefix="CELERY_GOSSIP",
            )
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def status(self, *arguments: str) -> dict[str, Any]:
        """Run `gossip status --json` in this process and parse what it prints; warnings are allowed."""
        done = self.gossip("status", "--json", *arguments)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        parsed: dict[str, Any] = json.loads(done.stdout)
        return parsed

    def inspect(self, method: str, node: str) -> Any:
        """One worker's answer to `celery inspect`; an AssertionError when it does not answer in time."""
        with self.app() as app, app.connection_for_write() as connection:
            reply = app.control.inspect(destination=[node], timeout=2.0, connection=connection)._request(method)
        assert reply, f"{node} does not answer to inspect {method}"
        return reply[node]

    def control(self, method: str, node: str, **arguments: Any) -> None:
        """Send one worker a remote control command and assert that it succeeds."""
        with self.app() as app, app.connection_for_write() as connection:

            def is_subscribed() -> None:
                assert app.control.ping(destination=[node], timeout=2.0, connection=connection), node

            # On Redis, a command that is sent before a new worker has subscribed is lost. A ping can be repeated.
            eventually(is_subscribed)
            reply = app.control.broadcast(
                method, arguments=arguments, destination=[node], reply=True, timeout=2.0, connection=connection
            )
        assert reply and "ok" in reply[0][node], reply

    @contextlib.contextmanager
    def worker(
        self, *arguments: str, pool: str = "prefork", name: str = "w1", concurrency: int = 2
    ) -> Iterator["Worker"]:
        """A worker that is ready; killed at the end if it still runs."""
        worker = Worker(self, f"{name}@{self.prefix}", ["-P", pool, "-c", str(concurrency), *arguments])
        try:
            worker.await_ready()
            yield worker
        finally:
            worker.close()

    @contextlib.contextmanager
    def cheap_workers(self, count: int) -> Iterator[list["Worker"]]:
        """So many workers that do nothing but speak, started one after another; each knows when it was ready."""
        with contextlib.ExitStack() as stack:
            names = [f"w{n}" for n in range(1, count + 1)]
            yield [stack.enter_context(self.worker(*QUIET, pool="solo", name=name, concurrency=1)) for name in names]

    def clean(self) -> None:
        """Delete this project's queues, exchanges and keys from brokers that others use too."""
        for url in {self.broker_url, self.conf.get("gossip_broker_url") or self.broker_url}:
            if url.startswith(("redis:", "amqp:")) and is_reachable(url):
                with Connection(url, connect_timeout=2) as connection:
                    self._clean(connection)

    def _clean(self, connection: Any) -> None:
        channel = connection.default_channel
        if connection.transport.driver_type == "redis":
            keys = list(channel.client.scan_iter(f"*{self.prefix}*"))
            if keys:
                channel.client.delete(*keys)
        elif connection.transport.driver_type == "amqp":
            for queue in (*self.queues, *self.extra_queues):
                Queue(queue)(channel).delete()
            own = (f"{self.prefix}.pidbox", f"reply.{self.prefix}.pidbox", f"{self.prefix}_events")
            for exchange in (*own, *self.queues, *self.extra_queues, f"{self.prefix}_gossip"):
                Exchange(exchange)(channel).delete()


def _own_keys(broker_url: str, prefix: str) -> dict[str, Any]:
    """Settings that keep what a killed worker had not acknowledged out of the keys that all users of a Redis share."""
    if not broker_url.startswith("redis"):
        return {}
    names = ("unacked_key", "unacked_index_key", "unacked_mutex_key")
    return {"broker_transport_options": {name: f"{prefix}_{name}" for name in names}}


class Worker:
    """A `celery worker` process and what it wrote."""

    def __init__(self, project: Project, node: str, arguments: list[str]) -> None:
        self.node = node
        self.project = project
        self.ready_at = 0.0  #: monotonic seconds
        self._log = tempfile.NamedTemporaryFile(prefix="gossip_worker_", suffix=".log")
        self.process = subprocess.Popen(
            [*project.wrapper, *_CELERY, "-A", project.module, "worker", "-n", node, "-l", "INFO", *arguments],
            cwd=project.folder,
            env=project.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    @property
    def threads(self) -> int:
        return psutil.Process(self.process.pid).num_threads()

    @property
    def descriptors(self) -> int:
        return psutil.Process(self.process.pid).num_fds()

    @property
    def cpu_seconds(self) -> float:
        """CPU of the main process alone."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def await_ready(self, timeout: float = 60) -> None:
        def is_ready() -> None:
            assert self.process.poll() is None, f"the worker ended at start:\n{self.output}"
            assert " ready." in self.output, self.output

        eventually(is_ready, timeout, every=0.02)
        self.ready_at = time.monotonic()

    def terminate(self) -> None:
        """Ask for a warm shutdown, as SIGTERM does; does not wait."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9 the main process; its children end by themselves."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 60) -> int:
        """A warm shutdown to its end; the exit code."""
        self.terminate()
        return self.process.wait(timeout)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()
