"""Environment of a measurement: machine, versions, commit and load. Read by the runner."""

import contextlib
import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from kombu import Connection

from tests.support.brokers import RABBITMQ_URL, REDIS_URL

__all__ = ["Machine", "commit", "load"]

REPOSITORY = Path(__file__).parents[2]
_PACKAGES = ("celery", "kombu", "redis", "amqp", "flower")


@dataclass(frozen=True)
class Machine:
    cores: int
    memory: int  #: GB
    system: str
    versions: dict[str, str]  #: of Python, of the packages, of the brokers

    @classmethod
    def here(cls) -> "Machine":
        return cls(
            cores=os.cpu_count() or 1,
            memory=round(psutil.virtual_memory().total / 2**30),
            system=f"{platform.system()} {platform.machine()}",
            versions={"Python": platform.python_version(), **_packages(), **_brokers()},
        )

    def is_like(self, other: "Machine") -> bool:
        """Return True if both have the same size and system, and the same version of everything that both have."""
        shared = self.versions.keys() & other.versions.keys()
        has_same_size = (self.cores, self.memory, self.system) == (other.cores, other.memory, other.system)
        return has_same_size and all(self.versions[name] == other.versions[name] for name in shared)

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        return f"{self.cores} cores, {self.memory} GB, {self.system}; {versions}"


def commit() -> str:
    """Return the commit that is checked out, with a plus if files differ from it."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        differs = _git("status", "--porcelain", "--untracked-files=no", "--", "celery_gossip", "benchmarks", "tests")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name}+" if differs else name


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name if name != "redis" else "redis-py"] = version(name)
    return found


def _brokers() -> dict[str, str]:
    found = {}
    for name, url in (("Redis", REDIS_URL), ("RabbitMQ", RABBITMQ_URL)):
        with contextlib.suppress(Exception), Connection(url, connect_timeout=2) as connection:
            found[name] = _version_of(connection)
    return found


def _version_of(connection: Any) -> str:
    channel = connection.default_channel
    if connection.transport.driver_type == "redis":
        return str(channel.client.info("server")["redis_version"])
    return str(connection.connection.server_properties["version"])
