"""The queue that a route leads to, and what is not known."""

from collections.abc import Callable

import pytest
from celery import Celery
from kombu import Exchange, Queue, binding
from kombu.common import Broadcast

from celery_gossip.worker.sent_route import SentRoutes

SHOP, NEWS, EVENTS = Exchange("shop", "direct"), Exchange("news", "topic"), Exchange("events", "headers")
QUEUES = (
    Queue("mail", SHOP, routing_key="mail"),
    Queue("copy", SHOP, routing_key="mail"),
    Queue("sport", NEWS, routing_key="news.sport.*"),
    Queue("all", NEWS, routing_key="news.#"),
    Queue("both", bindings=[binding(SHOP, routing_key="a"), binding(NEWS, routing_key="b")]),
    Queue("odd", EVENTS),
    Broadcast("everywhere"),
    Queue("fan", Exchange("fan", "fanout")),
)


@pytest.mark.parametrize(
    "exchange, routing_key, expected",
    [
        ("", "mail", ("mail", False)),
        ("", "never_declared", ("never_declared", False)),
        ("", "", ("", False)),
        ("", None, ("", False)),
        ("", "amq.gen-abc", ("", False)),
        ("", "fan", ("", False)),
        ("fan", "", ("", False)),
        ("shop", "mail", ("", False)),
        ("shop", "a", ("both", False)),
        ("shop", "lost", ("shop/lost", True)),
        ("news", "news.sport.golf", ("", False)),
        ("news", "news.weather", ("all", False)),
        ("news", "weather", ("news/weather", True)),
        ("everywhere", "", ("", False)),
        ("events", "x", ("", False)),
        ("celery_delayed_27", "0.0.1.mail", ("", False)),
        ("unknown", "x", ("", False)),
        (None, "x", ("", False)),
        (b"shop", "mail", ("", False)),
    ],
)
def test_a_route_leads_to(exchange: object, routing_key: object, expected: tuple[str, bool]) -> None:
    routes = SentRoutes(lambda: QUEUES)
    routes.refresh()
    assert routes.find(exchange, routing_key) == expected


def test_a_queue_that_celery_adds_later_is_noticed() -> None:
    queues = [QUEUES[0]]
    routes = SentRoutes(lambda: queues)
    routes.refresh()
    assert routes.find("news", "news.sport.golf") == ("", False)
    queues.append(QUEUES[2])
    routes.refresh()
    assert routes.find("news", "news.sport.golf") == ("sport", False)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"queue": "mail"}, "mail"),
        ({}, "celery"),
        ({"exchange": "celery", "routing_key": "lost"}, "celery/lost"),
        ({"exchange": "celery", "routing_key": "celery"}, "celery"),
    ],
)
def test_what_celery_sends_is_found(
    options: dict[str, str], expected: str, sent_fields: Callable[[Celery], list[dict[str, object]]]
) -> None:
    with Celery("shop", broker="memory://", set_as_current=False) as app:
        fields = sent_fields(app)
        app.send_task("shop.pack", **options)
        routes = SentRoutes(lambda: list(app.amqp.queues.values()))
        routes.refresh()
        assert routes.find(fields[0]["exchange"], fields[0]["routing_key"])[0] == expected


@pytest.fixture
def sent_fields() -> object:
    """Return a function that collects the fields of Celery's signal."""
    from celery.signals import after_task_publish

    collected: list[dict[str, object]] = []

    def collect(**fields: object) -> None:
        collected.append(fields)

    def connect(app: Celery) -> list[dict[str, object]]:
        after_task_publish.connect(collect, weak=False)
        return collected

    yield connect
    after_task_publish.disconnect(collect)
