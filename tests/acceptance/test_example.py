"""The example of a listener in the documentation of the Python API runs with a real worker."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.workers import QUIET, REPOSITORY, Project

PAGE = Path(REPOSITORY, "docs", "reference", "python-api.md").read_text(encoding="utf-8")
(EXAMPLE,) = [code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "wait_for_diagnosis" in code]


@pytest.mark.redis
def test_the_example_prints_workers_backlogs_findings_and_throughput(redis_project: Project) -> None:
    project = redis_project
    queue, other = project.queues
    program = f"from {project.module} import app\n{EXAMPLE.replace('mail', queue)}"
    over = threading.Event()

    def send_until_over() -> None:
        while not over.wait(0.2):
            project.send("nap", 0.01)

    with project.worker(*QUIET, "-Q", queue, pool="threads") as worker:
        for _ in range(3):
            project.send("nothing", queue="b")
        sender = threading.Thread(target=send_until_over)
        sender.start()
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=REPOSITORY,
            env=project.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        over.set()
        sender.join()
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [worker.node, "online"] in [line[:2] for line in lines]
    served, unserved = ([line for line in lines if line[:1] == [name]] for name in (queue, other))
    assert unserved[0][3] == "3", "its backlog"
    assert served[0][3].isdecimal(), "its backlog"
    assert ["critical", other] in [line[:2] for line in lines], "its finding"
    assert len(served) == 2 and float(served[1][1]) > 0 and served[1][2] == "0.0", "its throughput"
    assert lines[-1][2].isdecimal(), "its steps"
