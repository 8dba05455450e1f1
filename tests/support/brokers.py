"""Brokers for the tests: the shared ones named by the environment, and private ones that a test may break."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.support.waiting import eventually

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
RABBITMQ_URL = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


def is_reachable(url: str) -> bool:
    address = urlsplit(url)
    default_port = 5672 if address.scheme.startswith("amqp") else 6379
    with contextlib.suppress(OSError), socket.create_connection((address.hostname, address.port or default_port), 1):
        return True
    return False


def require(url: str) -> str:
    """The URL, where a broker listens; a skip that says so elsewhere, and a failure in CI."""
    if not is_reachable(url):
        give_up(f"no broker listens at {url.rpartition('@')[2]}")
    return url


def give_up(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI must have it")
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PrivateBroker:
    """A broker process of the test's own, on a free port; it can be killed, frozen and started again."""

    url: str

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="gossip_broker_"))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        """End it as kill -9 does."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            eventually(self._assert_gone)

    def freeze(self) -> None:
        """Stop it as SIGSTOP does; returns when no process of it runs any more."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)
        eventually(self._assert_frozen, every=0.01)

    def thaw(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _assert_gone(self) -> None:
        assert not is_reachable(self.url), "the private broker still listens"

    def _assert_frozen(self) -> None:
        assert self.process is not None
        for one in (main := psutil.Process(self.process.pid), *main.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                is_ours = os.getpgid(one.pid) == self.process.pid
                assert one.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE) or not is_ours

    def _await(self, timeout: float) -> None:
        give_up_at = time.monotonic() + timeout
        while not is_reachable(self.url):
            assert self.process is not None and self.process.poll() is None, "the private broker ended by itself"
            assert time.monotonic() < give_up_at, "the private broker did not start"
            time.sleep(0.05)


class PrivateRedis(PrivateBroker):
    def __init__(self) -> None:
        super().__init__()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def _listening(self) -> list[str]:
        return ["--port", str(self.port)]

    def start(self) -> None:
        command = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *self._listening()]
        self.process = subprocess.Popen(
            [*command, "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._await(timeout=10)


class PrivateRabbitMQ(PrivateBroker):
    """A node of its own beside the machine's; it takes some seconds to start."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self.node = f"gossip{self.port}@localhost"
        self.dist_port = free_port()

    @property
    def environment(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            **os.environ,
            "HOME": folder,
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-setcookie gossip -kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CTL_ERL_ARGS": "-setcookie gossip",
        }

    @property
    def _binaries(self) -> Path:
        """The scripts themselves: Debian's wrappers in /usr/sbin change the user and with it the environment."""
        found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin"))
        return found[-1] if found else Path("/usr/lib/rabbitmq/bin")

    def _listening(self) -> str:
        return f"listeners.tcp.default = 127.0.0.1:{self.port}\n"

    def start(self) -> None:
        """Start the node; again, if it ends by itself: somebody may have taken a port that was free a moment ago."""
        for is_last in (False, False, True):
            try:
                self._start_once()
                return
            except AssertionError as exc:
                if is_last or (self.process is not None and self.process.poll() is None):
                    raise AssertionError(f"{exc}:\n{(self.folder / 'out.log').read_text()[-2000:]}") from exc
            self.dist_port = free_port()

    def _start_once(self) -> None:
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq-env.conf").touch()
        (self.folder / "rabbitmq.conf").write_text(self._listening())
        with (self.folder / "out.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self._binaries / "rabbitmq-server")],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await(timeout=60)

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl against this node."""
        command = [str(self._binaries / "rabbitmqctl"), "-n", self.node, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def limit_memory(self, share: float) -> None:
        """Set the share of the machine's memory above which it raises its alarm.

        As `rabbitmqctl set_vm_memory_high_watermark` does, which takes two seconds to start.
        """
        if shutil.which("erl_call") is None:
            self.control("set_vm_memory_high_watermark", f"{share:.7f}")
            return
        call = f"vm_memory_monitor set_vm_memory_high_watermark [{share:.7f}]"
        command = ["erl_call", "-sname", self.node, "-c", "gossip", "-a", call]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stdout) == (0, "ok"), done.stdout + done.stderr


@contextlib.contextmanager
def running(broker: PrivateBroker) -> Iterator[PrivateBroker]:
    """The broker, started; gone without a trace afterwards."""
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


def require_server(kind: str) -> None:
    """Give up where the server of this kind is not installed."""
    server = {"redis": "redis-server", "rabbitmq": "rabbitmq-server"}[kind]
    if shutil.which(server) is None and shutil.which(server, path="/usr/sbin") is None:
        give_up(f"{server} is not installed")


def private(kind: str) -> PrivateBroker:
    """A private broker of this kind, not started; gives up where its server is not installed."""
    require_server(kind)
    return PrivateRedis() if kind == "redis" else PrivateRabbitMQ()
