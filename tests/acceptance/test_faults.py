"""What goes wrong in a worker must not reach its tasks: forks, failing code."""

import os

import pytest

from tests.support import eventually
from tests.support.workers import Project, Worker

FORKS = int(os.environ.get("GOSSIP_TEST_FORKS", "500"))


def run_tasks(project: Project, count: int, timeout: float) -> None:
    """Send no-op tasks and wait until the one worker has accepted them all."""
    before = processed(project)
    with project.app() as app, app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for _ in range(count):
            app.send_task("tests.support.project.nothing", queue=project.queues[0], producer=producer)

    def all_done() -> None:
        assert processed(project) >= before + count

    eventually(all_done, timeout, every=0.5)


def processed(project: Project) -> int:
    total = project.inspect("stats", f"w1@{project.prefix}")["total"]
    return int(sum(total.values()))


def _assert_in(part: str, text: str) -> None:
    assert part in text


@pytest.mark.parametrize(
    "sabotage",
    [
        "receivers:ValueError",
        "receivers:OSError",
        "receivers:KeyError",
        "probe:AssertionError",
        "probe:MemoryError",
        "check:TimeoutError",
        "publish:ConnectionError",
        "publish:RecursionError",
        "encode:UnicodeError",
    ],
)
def test_whatever_is_raised_within_the_worker_goes_on_and_exits_0(redis_project: Project, sabotage: str) -> None:
    redis_project.install = {"interval": 0.1}
    redis_project.extra_environment = {
        "GOSSIP_TEST_IMPORT": "tests.support.saboteur",
        "GOSSIP_TEST_SABOTAGE": sabotage,
    }
    with redis_project.worker("--without-mingle", pool="threads") as worker:
        eventually(lambda: _assert_in("sabotage", worker.output), timeout=10)
        run_tasks(redis_project, 50, timeout=20)
        assert worker.stop() == 0
        assert worker.output.count("Connected to") == 1, "the consumer was torn down"


@pytest.mark.slow
@pytest.mark.redis
def test_no_child_hangs_that_was_forked_while_rounds_ran(redis_project: Project) -> None:
    redis_project.install = {"interval": 0.005}
    with redis_project.worker("--without-mingle", "--max-tasks-per-child", "1", concurrency=4) as worker:
        with (
            redis_project.app() as app,
            app.connection_for_write() as connection,
            app.amqp.Producer(connection) as producer,
        ):
            for number in range(FORKS):
                shout = app.signature("tests.support.project.shout", args=[f"shout {number}."])
                shout.apply_async(queue=redis_project.queues[0], producer=producer)
        eventually(lambda: _assert_shouted(worker), timeout=110, every=0.5)
        assert worker.stop() == 0


def _assert_shouted(worker: Worker) -> None:
    output = worker.output
    missing = [number for number in range(FORKS) if f"shout {number}." not in output]
    assert not missing, f"{len(missing)} of {FORKS} children did not write, the first {missing[0]}"
