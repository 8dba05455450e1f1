"""The short form of the random workload: a seed or two on workers of every pool. `make workload` is the long one."""

import os
from functools import partial

import pytest

from tests.support import brokers
from tests.workload.fleet import BROKERS
from tests.workload.run import SeedResult, Session, run_all

FIRST = int(os.environ.get("GOSSIP_TEST_SEED", "1"))
TASKS = 200

_on_redis = partial(pytest.param, "redis", marks=pytest.mark.redis)
_on_rabbitmq = partial(pytest.param, "rabbitmq", marks=[pytest.mark.redis, pytest.mark.rabbitmq])

pytestmark = [
    pytest.mark.timeout(300),
]


@pytest.mark.parametrize(
    ("broker", "pool", "seed"),
    [
        _on_redis("prefork", FIRST),
        _on_rabbitmq("prefork", FIRST + 1),
        _on_rabbitmq("threads", FIRST),
        _on_redis("solo", FIRST),
        _on_redis("gevent", FIRST),
        _on_rabbitmq("eventlet", FIRST),
    ],
)
def test_counts_equal_what_the_tasks_recorded(broker: str, pool: str, seed: int) -> None:
    for name in {broker, "redis"}:
        brokers.require(BROKERS[name])
    [[result]] = run_all([Session(pool, broker, (seed,), TASKS)])
    assert not result.error, result.error
    assert not result.differences, _text_of(result)
    assert result.runs > TASKS / 2, result.left


def _text_of(result: SeedResult) -> str:
    return "\n".join([f"seed {result.seed}, {result.pool}, {result.broker}", *result.excerpts])
