"""The balance of sent tasks in the API."""

from celery_gossip.wire.messages import Echo, SentCount, SentReport
from tests.unit.build import BOOT, a_check, a_series
from tests.web.served import Served


def test_the_balance_has_a_row_for_each_queue_that_tasks_are_sent_to(served: Served) -> None:
    assert served.get("/api/balance").json()["balance"] == []
    served.fleet.report("celery@counted", checks=(a_check("mail"),), series=(a_series("mail", age=0.1, received=3),))
    counts = (SentCount(0, 2, 5, 5, 0.5), SentCount(1, 2, 1, 1, 0.5, True))
    report = SentReport(app="shop", period=0.5, names=("mail", "x/y", "shop.pack"), counts=counts)
    served.fleet.cluster.apply_sent(Echo(echo=BOOT, number=1, sent=report), served.fleet.clock.now)
    rows = {row["queue"]: row for row in served.get("/api/balance").json()["balance"]}
    assert rows.keys() == {"mail", "x/y"}
    mail = rows["mail"]
    assert (mail["source"], mail["sent"], mail["missing"]) == ("0", 5, None) and mail["reason"]
    assert mail["tasks"]["shop.pack"]["sent"] == 5
    assert rows["x/y"]["is_route"] is True
