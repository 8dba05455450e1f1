"""Tasks that a topic exchange routes count for the queue that they came from, or for none."""

from kombu import Exchange

from celery_gossip.cluster.throughput import Throughput
from tests.support import eventually
from tests.support.ear import Ear
from tests.support.workers import QUIET, Project


def test_what_an_old_kombu_delivers_to_two_queues_is_not_counted_for_one_of_them(project: Project) -> None:
    """On Redis Kombu routes by its own rule; on RabbitMQ the consumer tag names the queue."""
    a, b = project.queues
    project.extra_environment["GOSSIP_TEST_IMPORT"] = "tests.support.topics"
    with project.worker(*QUIET, pool="solo", concurrency=1), Ear(project) as ear:
        ear.listener.wait(timeout=5)
        for key in ("a.b.x.c", "a.b.y"):
            send(project, key, count=10)
        is_redis = project.broker_url.startswith("redis")
        expected = {"": 20, b: 10} if is_redis else {b: 20}  # of a.b.x.c a copy for each of the two queues

        def is_counted() -> None:
            assert received(ear.listener.throughput("queue", 60.0)) == expected

        eventually(is_counted, timeout=10)
        assert a not in expected


def send(project: Project, routing_key: str, count: int) -> None:
    exchange = Exchange(f"{project.prefix}_topic", type="topic", durable=False, auto_delete=True)
    with project.app() as app, app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for _ in range(count):
            app.send_task(
                "tests.support.project.nothing",
                exchange=exchange,
                routing_key=routing_key,
                declare=[exchange],
                producer=producer,
            )


def received(paces: dict[str, Throughput]) -> dict[str, int]:
    return {queue: pace.received for queue, pace in paces.items()}
