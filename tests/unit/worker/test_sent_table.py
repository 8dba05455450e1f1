"""What a process reports of the tasks that it has sent: everything, three times, within the limits of a message."""

from hypothesis import given
from hypothesis import strategies as st

from celery_gossip.wire.encoding import encode_echo
from celery_gossip.wire.messages import MAX_BYTES, MAX_SENT_COUNTS, OTHER, Echo, SentReport, decode
from celery_gossip.worker.sent_table import MAX_SERIES, REPEATS, SentTable


def counts(report: SentReport) -> dict[tuple[str, str], tuple[int, int]]:
    return {(report.names[one.queue], report.names[one.task]): (one.count, one.recent) for one in report.counts}


def test_a_count_is_reported_three_times_and_its_recent_part_once() -> None:
    table = SentTable("shop")
    table.add("mail", "shop.pack", 3, 100.0)
    seen = []
    while table.has_pending:
        (report,) = table.reports(105.0, 5.0)
        seen.append(counts(report)["mail", "shop.pack"])
        table.commit()
    assert seen == [(3, 3)] + [(3, 0)] * (REPEATS - 1)


def test_what_was_not_sent_is_reported_again_with_what_came_since() -> None:
    table = SentTable("shop")
    table.add("mail", "shop.pack", 3, 100.0)
    list(table.reports(105.0, 5.0))
    table.add("mail", "shop.pack", 2, 106.0)
    (report,) = table.reports(115.0, 15.0)
    assert counts(report) == {("mail", "shop.pack"): (5, 5)} and report.period == 15.0


def test_the_last_report_says_so_even_if_nothing_is_pending() -> None:
    (report,) = SentTable("shop").reports(1.0, 0.0, is_last=True)
    assert report.is_last and not report.counts
    table = SentTable("shop")
    for number in range(MAX_SENT_COUNTS + 1):
        table.add("mail", f"task{number}", 1, 0.0)
    assert [report.is_last for report in table.reports(1.0, 1.0, is_last=True)] == [False, True]


def test_too_many_names_share_a_count_per_queue_and_then_one() -> None:
    table = SentTable("shop")
    for number in range(MAX_SERIES):
        table.add("mail", f"task{number}", 1, 0.0)
    for number in range(100):
        table.add(f"queue{number}", "more", 1, 0.0)
    told = {key: count for report in table.reports(1.0, 1.0) for key, (count, _) in counts(report).items()}
    assert sum(told.values()) == MAX_SERIES + 100
    assert told["queue0", OTHER] == 1 and told[OTHER, OTHER] == 50
    assert len(told) == MAX_SERIES + 51


@given(st.lists(st.tuples(st.text(max_size=300), st.text(max_size=300), st.booleans()), max_size=120))
def test_every_report_is_a_valid_message_whatever_the_names(keys: list[tuple[str, str, bool]]) -> None:
    table = SentTable("shop\n")
    for queue, task, is_route in keys:
        table.add(queue, task, 1, 5.0, is_route=is_route)
    for number, report in enumerate(table.reports(7.0, 2.0), start=1):
        echo = Echo(echo="0123456789abcdef", number=number, sent=report)
        assert decode(encode_echo(echo)) == echo


def test_names_of_full_length_fit_into_messages() -> None:
    table = SentTable("shop")
    for number in range(MAX_SERIES):
        table.add(f"{number:03}" + "\U0001f469" * 252, f"{number:03}" + '"' * 252, 1, 0.0)
    reports = list(table.reports(1.0, 1.0))
    bodies = [encode_echo(Echo(echo="0" * 16, number=1, sent=report)) for report in reports]
    assert max(map(len, bodies)) <= MAX_BYTES and sum(len(report.counts) for report in reports) == MAX_SERIES
