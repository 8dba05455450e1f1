"""A Prometheus of the test's own, and its promtool; both are skipped where they are not installed."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.brokers import free_port
from tests.support.waiting import eventually

CONFIGURATION = """
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: celery-exporter
  static_configs:
  - targets: ["{target}"]
    labels: {{cluster: c1, namespace: n1}}
"""


def require(program: str) -> str:
    """Where this program is; a skip that says so where it is not."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def promtool(*arguments: str) -> str:
    """What it prints; an AssertionError with that where it complains."""
    done = subprocess.run([require("promtool"), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Prometheus:
    """Scrapes one target each second."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series found; an AssertionError where the expression is wrong, or the server not there yet."""
        question = urllib.parse.urlencode({"query": expression}).encode()
        try:
            with urllib.request.urlopen(f"{self._url}/query", question, timeout=10) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from error
        except OSError as error:
            raise AssertionError(str(error)) from error
        result = told["data"]["result"]
        return [result] if told["data"]["resultType"] == "scalar" else result


@contextlib.contextmanager
def scraping(target: str) -> Iterator[Prometheus]:
    """A server that scrapes `host:port`; gone without a trace afterwards."""
    program, port = require("prometheus"), free_port()
    with tempfile.TemporaryDirectory(prefix="gossip_prometheus_") as folder:
        configuration = Path(folder) / "prometheus.yml"
        configuration.write_text(CONFIGURATION.format(target=target))
        command = [program, f"--config.file={configuration}", f"--storage.tsdb.path={folder}/data"]
        with subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server:
            try:
                prometheus = Prometheus(port)
                eventually(lambda: prometheus.query("vector(1)"), timeout=30)
                yield prometheus
            finally:
                server.terminate()
                server.wait(10)
