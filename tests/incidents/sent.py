"""Situations with processes that count what they send (`gossip_count_sent`). Added to SITUATIONS when imported."""

from collections.abc import Callable

from tests.incidents.catalogue import busy_fleet, healthy, incident
from tests.incidents.fleet import Fleet

__all__: list[str] = []

VOID = 100.0  #: seconds: a report every 10 s, some for the window, and 28 until everything received is reported
SLOW_VOID = 180.0  #: where workers receive tasks of the queue, so that some may be on their way


def counted_fleet(fleet: Fleet, **options: object) -> Callable[..., None]:
    """Start workers with steady traffic that is counted, and let two minutes pass."""
    fleet.add_sender()
    traffic = busy_fleet(fleet, **options)  # type: ignore[arg-type]
    fleet.run(60)
    return traffic


@incident(sent_into_the_void=VOID)
def tasks_are_sent_to_a_queue_that_does_not_exist(fleet: Fleet) -> None:
    counted_fleet(fleet)
    fleet.missing.add("lost")
    fleet.begin()
    fleet.traffic(0.5, "lost")
    fleet.run(200)
    assert fleet.checks.diagnosis.findings[0].severity == "critical"


@incident(sent_into_the_void=VOID)
def a_routing_key_has_no_queue(fleet: Fleet) -> None:
    counted_fleet(fleet)
    fleet.begin()
    for _ in range(150):
        fleet.senders[0].count("shop/lost", "shop.lost", is_route=True)
        fleet.run(1)


@incident(sent_into_the_void=VOID)
def another_program_takes_the_messages_of_a_queue(fleet: Fleet) -> None:
    """Or senders and workers use different virtual hosts, and this listener reads a queue of the same name."""
    counted_fleet(fleet)
    fleet.vanishing["reports"] = 1.0
    fleet.begin()
    fleet.traffic(1.0, "reports")
    fleet.run(200)


@incident(sent_into_the_void=SLOW_VOID)
def half_of_the_messages_expire_before_a_worker_receives_them(fleet: Fleet) -> None:
    counted_fleet(fleet)
    fleet.vanishing["mail"] = 0.5
    fleet.begin()
    fleet.run(300)


@incident(backlog_without_consumer=20.0, sent_into_the_void=120.0)
def a_queue_is_purged(fleet: Fleet) -> None:
    """What was sent is gone, whoever wanted that: the finding names a purge among the causes, and ends."""
    counted_fleet(fleet)
    fleet.traffic(5.0, "later")
    fleet.begin()
    fleet.run(60)
    fleet.waiting["later"].clear()
    fleet.run(120)


@healthy
def everything_that_is_sent_arrives(fleet: Fleet) -> None:
    counted_fleet(fleet)
    fleet.run(1500)
    (row,) = fleet.cluster.balance()
    assert row.missing == 0 and 0 <= row.received - row.sent < 100


@healthy
def a_counted_burst_waits_and_is_worked_off(fleet: Fleet) -> None:
    counted_fleet(fleet)
    fleet.send(count=2000)
    fleet.run(300)


@healthy
def counted_tasks_wait_for_their_eta(fleet: Fleet) -> None:
    """Workers receive them at once and keep them; the prefetch window grows with them."""
    counted_fleet(fleet)
    for worker in fleet.workers:
        worker.prefetch, worker.scheduled = 416, 400
    fleet.run(300)


@healthy
def workers_retry_tasks_without_counting_that(fleet: Fleet) -> None:
    counted_fleet(fleet, outcome="retried")
    senders, fleet.senders = fleet.senders, []  # of now on, nothing is counted any more
    fleet.traffic(6.0)
    fleet.run(300)
    assert senders


@healthy
def a_counting_worker_is_killed_and_its_messages_return(fleet: Fleet) -> None:
    counted_fleet(fleet)
    fleet.workers[0].drain()
    fleet.run(10)
    fleet.workers[0].shut_down()
    fleet.add("w4")
    fleet.run(300)


@healthy
def a_sender_does_not_know_the_queues_of_its_routes(fleet: Fleet) -> None:
    """Its settings bind no queue to the key, those of the workers do."""
    counted_fleet(fleet)
    sender = fleet.senders.pop()
    for _ in range(200):
        fleet.senders.insert(0, sender)
        sender.count("shop/parcel", "shop.wrap", is_route=True)
        fleet.senders.pop()
        fleet.send(name="shop.wrap")
        fleet.run(1)
        sender.work()


@healthy
def senders_come_and_go(fleet: Fleet) -> None:
    counted_fleet(fleet)
    for number in range(20):
        sender = fleet.senders[0]
        fleet.run(11)
        (sender.kill if number % 2 else sender.end)()
        fleet.add_sender()
    fleet.run(120)


@healthy
def a_listener_starts_in_the_middle(fleet: Fleet) -> None:
    counted_fleet(fleet)
    fleet.send(count=300)
    fleet.restart_listener()
    fleet.run(300)


@healthy
def the_reports_of_a_sender_are_lost_for_a_while(fleet: Fleet) -> None:
    counted_fleet(fleet)
    fleet.senders[0].is_reporting = False
    fleet.send(count=500)
    fleet.run(90)
    fleet.senders[0].is_reporting = True
    fleet.run(300)


@healthy
def the_workers_of_a_counted_queue_report_rarely(fleet: Fleet) -> None:
    fleet.add_sender()
    fleet.add("w1", interval=15.0), fleet.add("w2", interval=5.0)
    fleet.traffic(4.0)
    fleet.run(900)


@healthy
def a_deploy_restarts_every_worker_of_a_counted_queue(fleet: Fleet) -> None:
    counted_fleet(fleet)
    for worker in list(fleet.workers):
        worker.drain()
        fleet.run(5)
        worker.shut_down()
        worker.restart()
        fleet.run(10)
    fleet.run(300)
