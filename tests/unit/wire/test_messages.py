"""The wire format: valid messages survive a round trip, and any other input raises one RejectedGossip."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from celery_gossip.errors import GossipError, OversizedGossip, RejectedGossip
from celery_gossip.wire.encoding import clear_unused_names, encode, encode_bounded, encode_echo, keep_checks
from celery_gossip.wire.histogram import MAX_BUCKETS
from celery_gossip.wire.messages import (
    MAX_BYTES,
    MAX_EXCEPTION_CLASSES,
    MAX_INTERVAL,
    MAX_NAME,
    REASONS,
    VERSION,
    Echo,
    Gossip,
    Histogram,
    PoolProcesses,
    QueueCheck,
    Resources,
    RunningTask,
    TaskCount,
    TaskSeries,
    as_dict,
    clamp_count,
    clamp_seconds,
    clamp_total,
    decode,
    sanitize_name,
)
from tests.unit.build import BOOT, a_check, a_gossip, a_histogram, a_series, a_wire_gossip, wire

DECODING_REASONS = {"oversized", "malformed", "invalid", "version", "text"}

COUNTS = ("seq", "concurrency", "active", "reserved", "scheduled", "processed", "unattributed")
SECONDS = ("sent_at", "stalled_for", "loop_lag")
CHECK_COUNTS = ("active_count", "reserved", "scheduled")
CHECK_SECONDS = ("started_at", "updated_at", "shutdown_started_at")


def reason_of(body: bytes) -> str:
    with pytest.raises(RejectedGossip) as refused:
        decode(body)
    assert refused.value.reason in REASONS
    return refused.value.reason


def with_check(**fields: Any) -> bytes:
    gossip = a_wire_gossip()
    gossip["checks"][0].update(fields)
    return json.dumps(gossip).encode()


def raw_number(field: str, number: str) -> bytes:
    """Return a gossip in which this field is a number that json.dumps does not write."""
    return wire(**{field: "@@"}).replace(b'"@@"', number.encode())


# Round trip.


def test_a_gossip_survives_the_wire() -> None:
    gossip = a_gossip(
        state="draining",
        stalled_for=1.5,
        prefetch_count=None,
        checks=(
            a_check(active=("id-1", "id-2"), active_count=2, reserved=3, scheduled=4, shutdown_started_at=5.0),
            a_check("mail", paused=True),
            a_check("größe 日本語"),
        ),
    )
    assert decode(encode(gossip)) == gossip


def test_the_wire_is_json_with_the_documented_fields() -> None:
    sent = json.loads(encode(a_gossip()))
    assert list(sent) == [
        *("v", "app", "hostname", "boot", "seq", "interval", "sent_at", "state", "stalled_for", "loop_lag", "pool"),
        *("concurrency", "prefetch_count", "active", "reserved", "scheduled", "processed", "unattributed", "checks"),
    ]
    assert list(sent["checks"][0]) == [
        *("queue", "uuid", "paused", "active", "active_count", "reserved", "scheduled"),
        *("started_at", "updated_at", "shutdown_started_at"),
    ]


def test_a_gossip_as_a_dict_is_what_the_wire_says() -> None:
    assert json.loads(json.dumps(as_dict(a_gossip()))) == json.loads(encode(a_gossip()))


def test_fields_of_a_newer_worker_are_ignored() -> None:
    body = json.dumps({**json.loads(with_check(colour="red", depth={"a": [1]})), "mood": "fine", "extra": [1, {}]})
    assert decode(body.encode()) == a_gossip()


def test_seconds_may_be_whole_numbers() -> None:
    assert decode(wire(interval=2, sent_at=7)).interval == 2.0


def test_the_limits_are_those_that_the_documentation_names() -> None:
    assert (VERSION, MAX_BYTES, MAX_NAME, MAX_INTERVAL, MAX_EXCEPTION_CLASSES, MAX_BUCKETS) == (
        1,
        65_536,
        255,
        86_400.0,
        20,
        750,
    )


@pytest.mark.parametrize(
    "field",
    [*COUNTS, "prefetch_count", "omitted", "limited", "overflowed", "skewed", "deferred", "undecodable", "batched"],
)
def test_counts_go_to_what_every_reader_of_json_can_hold(field: str) -> None:
    assert as_dict(decode(wire(**{field: 2**53})))[field] == 2**53
    assert reason_of(wire(**{field: 2**53 + 1})) == "invalid"


TOO_MANY_SECONDS = [1e11, 1.7e308, 10**300]


@pytest.mark.parametrize("field", SECONDS)
@pytest.mark.parametrize("value", TOO_MANY_SECONDS)
def test_seconds_that_no_date_can_show_are_refused(field: str, value: float) -> None:
    """A page raised RangeError at each tick."""
    most = math.nextafter(1e11, 0.0)
    assert as_dict(decode(wire(**{field: most})))[field] == most
    assert reason_of(wire(**{field: value})) == "invalid"


@pytest.mark.parametrize("field", CHECK_SECONDS)
@pytest.mark.parametrize("value", TOO_MANY_SECONDS)
def test_seconds_of_a_check_that_no_date_can_show_are_refused(field: str, value: float) -> None:
    assert reason_of(with_check(**{field: value})) == "invalid"


@pytest.mark.parametrize("value", TOO_MANY_SECONDS)
def test_an_age_that_no_date_can_show_is_refused(value: float) -> None:
    assert reason_of(with_series(age=value)) == "invalid"


def test_a_sum_of_seconds_goes_as_far_as_a_count() -> None:
    """A worker that starts 100 tasks a second, each an hour late, reaches 1e11 s within three days."""
    for field in ("runtime", "wait"):
        told = decode(with_series(**{field: histogram(total=float(2**53))}))
        assert isinstance(told, Gossip) and getattr(told.series[0], field).total == 2**53
        assert reason_of(with_series(**{field: histogram(total=1e300)})) == "invalid"


@pytest.mark.parametrize("value", [-1e300, -1.0, -0.5, 0.0, 0.5, 5.5, 1e11, 1e300, math.inf, math.nan])
def test_what_a_worker_clamps_is_never_refused(value: float) -> None:
    seconds = clamp_seconds(value)
    assert seconds == (value if 0 <= value < 1e11 else 0.0 if not value > 0 else math.nextafter(1e11, 0.0))
    series = a_series(age=seconds, runtime=a_histogram(total=clamp_total(max(seconds, value) if value > 0 else 0.0)))
    gossip = a_gossip(**dict.fromkeys(SECONDS, seconds), series=(series,))
    assert decode(encode(gossip)) == gossip


@pytest.mark.parametrize(("value", "told"), [(-1, 0), (0, 0), (7, 7), (2**53 + 1, 2**53), (10**300, 2**53)])
def test_a_count_that_a_worker_clamps_is_never_refused(value: int, told: int) -> None:
    assert decode(encode(a_gossip(prefetch_count=clamp_count(value)))) == a_gossip(prefetch_count=told)


def test_seconds_may_be_none_at_all() -> None:
    assert decode(wire(**dict.fromkeys(SECONDS, 0))) == a_gossip(**dict.fromkeys(SECONDS, 0.0))


def test_names_may_be_as_long_as_rabbitmq_allows() -> None:
    longest = "x" * MAX_NAME
    gossip = a_gossip(app=longest, hostname=longest, pool=longest, checks=(a_check(longest, uuid=longest),))
    assert decode(encode(gossip)) == gossip
    assert decode(wire(app="", pool="")) == a_gossip(app="", pool="")


# Rejected messages.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"{",
        b"{]",
        b'{"v": 1,}',
        b"\x00\x01\x02",
        b"\x80\x04\x95pickle",
        encode(a_gossip())[:-1],
        encode(a_gossip())[: len(encode(a_gossip())) // 2],
        encode(a_gossip()) + b"x",
        encode(a_gossip()) * 2,
        encode(a_gossip()).decode().encode("utf-16"),
        encode(a_gossip()).replace(b"web1", b"web\xff"),
        encode(a_gossip()).replace(b"web1", b"web\xed\xa0\x80"),
        encode(a_gossip()).replace(b"web1", b"web\\ud800"),
        encode(a_gossip()).replace(b"web1", b"web\n"),
        raw_number("interval", "NaN"),
        raw_number("sent_at", "Infinity"),
        raw_number("sent_at", "-Infinity"),
        raw_number("seq", "01"),
        raw_number("seq", "0x10"),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    assert reason_of(body) == "malformed"


@pytest.mark.parametrize("body", [b"null", b"true", b"0", b"1.5", b'"gossip"', b"[]", b"{}", b"[[]]", b'[{"v": 1}]'])
def test_other_json_is_invalid(body: bytes) -> None:
    assert reason_of(body) == "invalid"


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 10 * 1024 * 1024])
def test_a_body_beyond_the_limit_is_oversized_whatever_it_holds(size: int) -> None:
    assert reason_of(b" " * size) == "oversized"
    padded = encode(a_gossip()) + b" " * size
    assert reason_of(padded) == "oversized"


def test_a_body_of_just_the_limit_is_read() -> None:
    assert decode(encode(a_gossip()).ljust(MAX_BYTES)) == a_gossip()


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"v":1,"checks":[', b'{"checks":[{"active":['])
def test_deep_nesting_is_refused(opening: bytes) -> None:
    assert reason_of(opening * (MAX_BYTES // len(opening))) in ("malformed", "invalid")


def test_deep_nesting_in_a_field_that_is_ignored_is_malformed() -> None:
    deep = b"[" * 20_000 + b"]" * 20_000
    assert reason_of(encode(a_gossip())[:-1] + b',"mood":' + deep + b"}") == "malformed"


@pytest.mark.parametrize("field", [*SECONDS, "interval", *COUNTS])
@pytest.mark.parametrize("number", ["1e400", "-1e400", "-1", "9" * 400])
def test_a_number_out_of_bounds_is_invalid(field: str, number: str) -> None:
    if number == "9" * 400 and field in (*SECONDS, "interval"):
        assert reason_of(raw_number(field, number)) in ("invalid", "malformed")
    else:
        assert reason_of(raw_number(field, number)) == "invalid"


@pytest.mark.parametrize("interval", ["0", "-0.0", "0.0", "1e-400", "1e300", "86401"])
def test_an_interval_by_which_nobody_can_be_judged_is_invalid(interval: str) -> None:
    assert reason_of(raw_number("interval", interval)) == "invalid"


@pytest.mark.parametrize("field", [*a_wire_gossip()])
def test_a_missing_field_is_refused(field: str) -> None:
    gossip = a_wire_gossip()
    del gossip[field]
    assert reason_of(json.dumps(gossip).encode()) == "invalid"


@pytest.mark.parametrize("field", [*a_wire_gossip()["checks"][0]])
def test_a_missing_field_of_a_check_is_refused(field: str) -> None:
    gossip = a_wire_gossip()
    del gossip["checks"][0][field]
    assert reason_of(json.dumps(gossip).encode()) == "invalid"


WRONG_TYPES: dict[str, list[Any]] = {
    **dict.fromkeys(COUNTS, [None, "1", 1.5, True, [], {}, 2**53 + 1]),
    **dict.fromkeys((*SECONDS, "interval"), [None, "1", True, [], {}]),
    **dict.fromkeys(("app", "hostname", "pool"), [None, 1, True, [], {}, "x" * (MAX_NAME + 1)]),
    "hostname ": [""],
    "prefetch_count": ["1", 1.5, True, [], -1],
    "boot": [None, 1, "", "xyz", BOOT.upper(), BOOT + "0", BOOT[:-1], BOOT + "\n"],
    "state": [None, 1, "", "lost", "stalled", "ONLINE", ["online"]],
    "checks": [None, {}, "[]", [None], [[]], [1], {"queue": "a"}],
    "omitted": [None, "1", -1, 1.5],
    "newest": [None, 1.5, "1", {}, ["1"], [True], [-0.1], [1e11], [[1.0]], [1.0, 2.0, 3.0]],
    "seq": [0],
}
WRONG_CHECK_TYPES: dict[str, list[Any]] = {
    **dict.fromkeys(CHECK_COUNTS, [None, "1", 1.5, True, [], -1, 2**53 + 1]),
    **dict.fromkeys(CHECK_SECONDS, ["1", True, [], -1]),
    "started_at": [None],
    "queue": [None, 1, "", [], "x" * (MAX_NAME + 1)],
    "uuid": [None, 1, [], "x" * (MAX_NAME + 1)],
    "paused": [None, 0, "no", []],
    "active": [None, {}, "id", [None], [1], [["id"]], ["x" * (MAX_NAME + 1)]],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in WRONG_TYPES for value in WRONG_TYPES[field]])
def test_a_field_of_another_type_or_out_of_bounds_is_refused(field: str, value: Any) -> None:
    assert reason_of(wire(**{field.strip(): value})) in ("invalid", "text")


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field in WRONG_CHECK_TYPES for value in WRONG_CHECK_TYPES[field]]
)
def test_a_field_of_a_check_of_another_type_or_out_of_bounds_is_refused(field: str, value: Any) -> None:
    assert reason_of(with_check(**{field: value})) == "invalid"


@pytest.mark.parametrize("version", [0, 2, 99, -1, 2**31, 2**70])
def test_another_version_is_told_apart_from_an_invalid_gossip(version: int) -> None:
    assert reason_of(wire(v=version)) == "version"
    assert reason_of(json.dumps({"v": version, "everything": "else"}).encode()) == "version"


@pytest.mark.parametrize("version", [None, "1", "2", 1.0, True, [], {}])
def test_what_is_no_version_at_all_is_invalid(version: Any) -> None:
    assert reason_of(wire(v=version)) == "invalid"


CONTROL = ["a\nb", "a\x1b[31m", "\x00", "a\x7f", "a\r", "a\tb", "\u202eevil", "a\u200bb", "\u2028", "\ufeff", "\x85"]


@pytest.mark.parametrize("text", CONTROL, ids=ascii)
@pytest.mark.parametrize("field", ["app", "hostname", "pool"])
def test_control_characters_in_a_name_are_refused(field: str, text: str) -> None:
    assert reason_of(wire(**{field: text})) == "text"


@pytest.mark.parametrize("text", CONTROL, ids=ascii)
def test_control_characters_in_a_check_are_refused(text: str) -> None:
    assert reason_of(with_check(queue=text)) == "text"
    assert reason_of(with_check(uuid=text)) == "text"
    assert reason_of(with_check(active=["fine", text])) == "text"


@pytest.mark.parametrize("field", ["hostname", "queue", "state"])
def test_lone_surrogates_are_refused(field: str) -> None:
    body = with_check(queue="\ud800") if field == "queue" else wire(**{field: "a\udfffb"})
    assert reason_of(body) in ("malformed", "invalid")


def test_what_is_refused_is_described_in_plain_text() -> None:
    for body in (wire(state="a\nb\x1b[31m"), wire(hostname="a\nb"), b"\x1b[31m", wire(**{"a\nb": 1, "v": "\n"})):
        with pytest.raises(RejectedGossip) as refused:
            decode(body)
        assert str(refused.value).isprintable()


@pytest.mark.parametrize("body", [wire(state="x" * 60_000), wire(v=9, hostname="x" * 60_000)], ids=["state", "version"])
def test_what_a_stranger_wrote_is_told_in_a_line_of_bounded_length(body: bytes) -> None:
    with pytest.raises(RejectedGossip) as refused:
        decode(body)
    assert 200 < len(str(refused.value)) < 350


def test_every_reason_of_decoding_is_proven_here() -> None:
    bodies = (b" " * (MAX_BYTES + 1), b"{", b"{}", wire(v=2), wire(app="\n"))
    assert {reason_of(body) for body in bodies} == DECODING_REASONS
    assert set(REASONS) > DECODING_REASONS


def test_a_rejection_is_both_a_gossip_error_and_a_value_error() -> None:
    assert issubclass(RejectedGossip, GossipError) and issubclass(RejectedGossip, ValueError)


def decodes_or_is_rejected(body: bytes) -> None:
    try:
        gossip = decode(body)
    except RejectedGossip as exc:
        assert exc.reason in DECODING_REASONS
    else:
        assert isinstance(gossip, Gossip)
        assert decode(encode(gossip)) == gossip


@given(st.binary(max_size=2000))
@example(b"\xff" * 100)
def test_any_bytes_are_a_gossip_or_a_rejection(body: bytes) -> None:
    decodes_or_is_rejected(body)


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=10), children, max_size=4),
    max_leaves=10,
)


@given(field=st.sampled_from(sorted(a_wire_gossip())), value=SOME_JSON)
def test_a_gossip_with_any_json_in_a_field_is_a_gossip_or_a_rejection(field: str, value: Any) -> None:
    decodes_or_is_rejected(wire(**{field: value}))


@given(field=st.sampled_from(sorted(a_wire_gossip()["checks"][0])), value=SOME_JSON)
def test_a_gossip_with_any_json_in_a_check_is_a_gossip_or_a_rejection(field: str, value: Any) -> None:
    decodes_or_is_rejected(with_check(**{field: value}))


@given(at=st.integers(0, len(wire()) - 1), cut=st.integers(0, 8), junk=st.binary(max_size=8))
def test_a_gossip_with_bytes_replaced_anywhere_is_a_gossip_or_a_rejection(at: int, cut: int, junk: bytes) -> None:
    body = wire()
    decodes_or_is_rejected(body[:at] + junk + body[at + cut :])


# Task series.

A_SERIES = a_series(
    received=9,
    started=8,
    succeeded=3,
    failed={"KeyError": 2, "größe": 1},
    retried=1,
    revoked=2,
    rejected=1,
    runtime=a_histogram((0, 1, 1), (700, 2, 0), (MAX_BUCKETS - 1, 3, 0), total=0.5),
    wait=a_histogram(count=7, total=1e9),
)
SERIES_COUNTS = ("received", "started", "succeeded", "retried", "revoked", "rejected")


def test_series_survive_the_wire() -> None:
    gossip = a_gossip(series=(A_SERIES, a_series(queue="", task="größe 日本語")), overflowed=3, skewed=4)
    assert decode(encode(gossip)) == gossip


def test_what_was_not_counted_is_not_on_the_wire() -> None:
    sent = json.loads(encode(a_gossip(series=(a_series(received=0),))))
    assert sent["series"] == [{"queue": "default", "task": "shop.pack", "age": 60.0}]
    assert not {"series", "overflowed", "skewed"} & set(json.loads(encode(a_gossip())))


def test_what_is_not_on_the_wire_is_none_at_all() -> None:
    read = decode(wire(series=[{"queue": "mail", "task": "send", "age": 1.0}]))
    assert isinstance(read, Gossip)
    assert (read.omitted, read.limited, read.overflowed, read.skewed) == (0, 0, 0, 0)
    (series,) = read.series
    assert (series.received, series.started, series.succeeded, series.failed) == (0, 0, 0, {})
    assert (series.retried, series.revoked, series.rejected) == (0, 0, 0)
    assert (series.runtime, series.wait) == (None, None)


@pytest.mark.parametrize(
    "value", [a_gossip(), a_check(), a_histogram(), a_series(), Echo(echo=BOOT, number=1)], ids=repr
)
def test_nothing_that_is_said_can_be_changed_or_is_told_by_its_place(value: Any) -> None:
    name = value.__struct_fields__[0]
    with pytest.raises(AttributeError):
        setattr(value, name, getattr(value, name))
    with pytest.raises(TypeError):
        type(value)(getattr(value, name))


def test_gossip_of_an_older_worker_counts_nothing() -> None:
    assert decode(wire()) == a_gossip(series=(), overflowed=0, skewed=0)


def with_series(**fields: Any) -> bytes:
    """Return a gossip of which the only series has these fields."""
    (series,) = json.loads(encode(a_gossip(series=(A_SERIES,))))["series"]
    return wire(series=[{**series, **fields}])


def test_fields_of_a_newer_workers_series_are_ignored() -> None:
    assert decode(with_series(mood="fine")) == a_gossip(series=(A_SERIES,))


def histogram(**fields: Any) -> dict[str, Any]:
    return {"count": 1, "total": 1.0, "buckets": [[1, 1, 1]], **fields}


WRONG_BUCKETS = [
    *([MAX_BUCKETS, 1, 1], [-1, 1, 1], [1.5, 1, 1], ["1", 1, 1], [None, 1, 1], [True, 1, 1]),
    *([1, -1, 1], [1, 1, -1], [1, 2**53 + 1, 1], [1, 1], [1, 1, 1, 1], [], {}, None, "abc"),
]
WRONG_HISTOGRAMS: list[Any] = [
    *(1, "x", [], {}, {"count": 1}, histogram(count=-1), histogram(count=1.5), histogram(count=None)),
    *(histogram(total=-1), histogram(total="1"), histogram(total=None), histogram(buckets=None), histogram(buckets={})),
    *(histogram(buckets=[bucket]) for bucket in WRONG_BUCKETS),
    histogram(buckets=[[n % MAX_BUCKETS, 1, 1] for n in range(MAX_BUCKETS + 1)]),
]
WRONG_SERIES: dict[str, list[Any]] = {
    **dict.fromkeys(SERIES_COUNTS, [None, "1", 1.5, True, [], -1, 2**53 + 1]),
    **dict.fromkeys(("queue", "task"), [None, 1, [], "x" * (MAX_NAME + 1)]),
    **dict.fromkeys(("runtime", "wait"), WRONG_HISTOGRAMS),
    "age": [None, "1", -1, True],
    "failed": [
        *(None, [], "KeyError", {"KeyError": -1}, {"KeyError": None}, {"KeyError": 1.5}, {"K" * (MAX_NAME + 1): 1}),
        {f"Error{n}": 1 for n in range(MAX_EXCEPTION_CLASSES + 1)},
    ],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field in WRONG_SERIES for value in WRONG_SERIES[field]]
)
def test_a_series_of_another_type_or_out_of_bounds_is_refused(field: str, value: Any) -> None:
    assert reason_of(with_series(**{field: value})) == "invalid"


@pytest.mark.parametrize("series", [None, {}, "x", 1, [None], [[]], [1], [{}], [{"queue": "a", "task": "b"}]])
def test_what_are_no_series_are_refused(series: Any) -> None:
    assert reason_of(wire(series=series)) == "invalid"


@pytest.mark.parametrize("field", ["overflowed", "skewed"])
@pytest.mark.parametrize("value", [None, "1", -1, 1.5, 2**53 + 1])
def test_a_count_beside_the_series_out_of_bounds_is_refused(field: str, value: Any) -> None:
    assert reason_of(wire(**{field: value})) == "invalid"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400"])
def test_a_total_that_is_no_number_is_refused(number: str) -> None:
    body = with_series(runtime=histogram(total="@@")).replace(b'"@@"', number.encode())
    assert reason_of(body) in ("malformed", "invalid")


@pytest.mark.parametrize("text", CONTROL, ids=ascii)
def test_control_characters_in_a_series_are_refused(text: str) -> None:
    assert reason_of(with_series(queue=text)) == "text"
    assert reason_of(with_series(task=text)) == "text"
    assert reason_of(with_series(failed={"KeyError": 1, text: 1})) == "text"


@given(field=st.sampled_from(sorted(json.loads(encode(a_gossip(series=(A_SERIES,))))["series"][0])), value=SOME_JSON)
def test_a_gossip_with_any_json_in_a_series_is_a_gossip_or_a_rejection(field: str, value: Any) -> None:
    decodes_or_is_rejected(with_series(**{field: value}))


# Messages that are too large.


def busy(queue: str, ids: int, count: int | None = None) -> Any:
    return a_check(queue, active=tuple(f"{queue}-{n:032d}" for n in range(ids)), active_count=count or ids)


def test_task_ids_are_left_out_first_and_counts_stay_exact() -> None:
    gossip = a_gossip(active=4000, checks=(busy("a", 3000), busy("b", 1000), a_check("idle")))
    body = encode(gossip)
    read = decode(body)
    assert len(body) <= MAX_BYTES
    assert [check.queue for check in read.checks] == ["a", "b", "idle"]
    assert [check.active_count for check in read.checks] == [3000, 1000, 0]
    assert read.active == 4000 and read.omitted == 0
    assert all(read.checks[0].active), "ids that fit stay listed"


def test_ids_that_stay_are_the_first_ones() -> None:
    check = decode(encode(a_gossip(checks=(busy("a", 5000),)))).checks[0]
    assert 0 < len(check.active) < 5000
    assert check.active == busy("a", len(check.active)).active


def test_the_idlest_checks_are_left_out_when_dropping_ids_is_not_enough() -> None:
    checks = tuple(a_check(f"queue-{n:04d}-{'x' * 100}", reserved=n) for n in range(1000))
    body = encode(a_gossip(reserved=499_500, checks=checks))
    read = decode(body)
    assert len(body) <= MAX_BYTES
    assert read.omitted + len(read.checks) == 1000 and read.omitted > 0
    assert min(check.reserved for check in read.checks) == read.omitted, "the idlest ones are gone, and only those"
    assert read.reserved == 499_500


@pytest.mark.parametrize("field", ["active_count", "reserved", "scheduled"])
def test_whatever_a_check_has_to_do_keeps_it(field: str) -> None:
    idle = tuple(a_check(f"queue-{n:04d}-{'x' * 100}", reserved=1) for n in range(1000))
    read = decode(encode(a_gossip(checks=(*idle, a_check("busy", **{field: 2})))))
    assert isinstance(read, Gossip) and read.omitted and "busy" in [check.queue for check in read.checks]


def test_as_many_checks_as_fit_are_kept() -> None:
    checks = tuple(a_check(f"queue-{n:04d}-{'x' * 100}") for n in range(1000))
    assert len(encode(a_gossip(checks=checks))) > 0.95 * MAX_BYTES


def many_series(count: int) -> Any:
    return tuple(a_series(task=f"task-{n:04d}-{'x' * 100}") for n in range(count))


def test_series_are_left_out_when_dropping_ids_is_not_enough_and_the_last_first() -> None:
    gossip = a_gossip(checks=(busy("a", 100), a_check("b")), series=many_series(1000), active=100)
    read = decode(encode(gossip))
    assert isinstance(read, Gossip)
    assert [(check.queue, len(check.active), check.active_count) for check in read.checks] == [
        ("a", 0, 100),
        ("b", 0, 0),
    ]
    assert 0 < len(read.series) < 1000 and read.series == gossip.series[: len(read.series)]


def test_series_stay_whole_when_dropping_ids_is_enough() -> None:
    gossip = a_gossip(checks=(busy("a", 3000),), series=many_series(100))
    assert decode(encode(gossip)).series == gossip.series  # type: ignore[union-attr]


def test_checks_are_left_out_before_the_last_two_series_or_many_queues_would_silence_them() -> None:
    checks = tuple(a_check(f"queue-{n:04d}-{'x' * 100}") for n in range(1000))
    read = decode(encode(a_gossip(checks=checks, series=many_series(50))))
    assert isinstance(read, Gossip) and read.series == many_series(50)[:2] and read.omitted > 0


def test_series_that_are_too_long_by_themselves_are_left_out() -> None:
    buckets = tuple((n, 2**53, 2**53) for n in range(MAX_BUCKETS))
    times = Histogram(count=2**53, total=1.0, buckets=buckets)
    large = TaskSeries(queue="mail", task="send", age=1.0, runtime=times, wait=times)
    read = decode(encode(a_gossip(checks=(), series=(large, large))))
    assert isinstance(read, Gossip) and len(read.series) < 2


def test_what_there_was_room_for_is_told_with_its_bytes() -> None:
    large = a_gossip(checks=(busy("a", 3000),), series=many_series(500))
    for gossip in (a_gossip(series=(A_SERIES,)), large):
        kept, body = encode_bounded(gossip)
        assert (decode(body), body) == (kept, encode(gossip))
    assert encode_bounded(a_gossip())[0] == a_gossip()


def test_a_message_of_exactly_the_allowed_size_is_sent_as_it_is() -> None:
    ids = busy("a", 1000).active
    padding = MAX_BYTES - len(encode(a_gossip(checks=(a_check("a", active=ids),))))
    padded = (*ids, *["x" * 250] * (padding // 253), "")
    short = MAX_BYTES - len(encode(a_gossip(checks=(a_check("a", active=padded),))))
    gossip = a_gossip(checks=(a_check("a", active=(*padded[:-1], "x" * short)),))
    kept, body = encode_bounded(gossip)
    assert len(body) == MAX_BYTES and kept is gossip


def test_half_of_the_longest_list_of_ids_is_left_out_at_a_time() -> None:
    kept, _ = encode_bounded(a_gossip(checks=(busy("a", 2000), busy("b", 900))))
    assert [len(check.active) for check in kept.checks] == [500, 500]


def test_half_of_the_series_are_left_out_at_a_time() -> None:
    kept, _ = encode_bounded(a_gossip(series=many_series(500), deferred=3))
    assert (len(kept.series), kept.deferred) == (250, 253)


def test_the_ages_of_the_newest_messages_stay_with_their_queues() -> None:
    """The busiest checks are kept, in the order of their tasks."""
    checks = tuple(a_check(f"queue-{n:04d}-{'x' * 100}", reserved=n % 7) for n in range(1000))
    ages = tuple(float(n) if n % 3 else None for n in range(1000))
    kept, body = encode_bounded(a_gossip(checks=checks, newest=ages))
    assert 0 < len(kept.checks) < 1000 and decode(body) == kept
    expected = {check.queue: age for check, age in zip(checks, ages, strict=True)}
    assert [expected[check.queue] for check in kept.checks] == list(kept.newest)


@pytest.mark.parametrize(
    ("newest", "kept", "expected"),
    [
        ((), (1, 0), ()),
        ((1.0,), (1, 0), (None, 1.0)),
        ((1.0, 2.0, 3.0), (2, 0), (3.0, 1.0)),
        ((1.0, None, 3.0), (1,), ()),
        ((1.0, 2.0, 3.0), (), ()),
    ],
)
def test_checks_are_kept_with_their_ages(
    newest: tuple[float, ...], kept: tuple[int, ...], expected: tuple[float | None, ...]
) -> None:
    gossip = keep_checks(a_gossip(checks=tuple(map(a_check, "abc")), newest=newest, omitted=4), kept)
    assert [check.queue for check in gossip.checks] == ["abc"[at] for at in kept]
    assert (gossip.newest, gossip.omitted) == (expected, 4 + 3 - len(kept))


def test_the_ages_of_ten_queues_take_fewer_than_sixty_bytes() -> None:
    checks = tuple(a_check(f"queue{n}") for n in range(10))
    ages = (0, 0.1, 0.4, 0.9, 1.2, 0.3, 17.5, 99.9, 3600, None)
    assert len(encode(a_gossip(checks=checks, newest=ages))) - len(encode(a_gossip(checks=checks))) < 60


def test_a_single_series_that_is_too_long_is_left_out_of_a_gossip_without_checks() -> None:
    buckets = tuple((n, 2**53, 2**53) for n in range(MAX_BUCKETS))
    times = Histogram(count=2**53, total=1.0, buckets=buckets)
    failed = {f"{n:02d}{'x' * 250}": 2**53 for n in range(MAX_EXCEPTION_CLASSES)}
    large = TaskSeries(queue="mail", task="send", age=1.0, failed=failed, runtime=times, wait=times)
    assert encode_bounded(a_gossip(checks=(), series=(large,)))[0].series == ()


def test_fields_that_are_absent_on_the_wire_are_zero_or_empty() -> None:
    fields = ("omitted", "limited", "series", "newest", "overflowed", "skewed", "deferred", "undecodable", "batched")
    written = json.loads(encode(a_gossip()))
    absent = {*fields, "names", "reserved_tasks", "scheduled_tasks", "broadcast", "tasks", "resources"}
    assert not absent & {*written, *written["checks"][0]}
    read = decode(json.dumps(written).encode())
    assert isinstance(read, Gossip)
    assert {field: getattr(read, field) for field in fields} == {**dict.fromkeys(fields, 0), "series": (), "newest": ()}
    assert read.checks[0].broadcast is False


def test_nothing_omitted_is_not_on_the_wire() -> None:
    assert b"omitted" not in encode(a_gossip())


def test_a_gossip_that_cannot_be_made_smaller_is_refused() -> None:
    with pytest.raises(OversizedGossip, match="a gossip without checks takes"):
        encode(a_gossip(hostname="x" * 2 * MAX_BYTES))


def test_one_check_that_is_too_long_by_itself_is_omitted() -> None:
    read = decode(encode(a_gossip(checks=(a_check("x" * 2 * MAX_BYTES), a_check("small")))))
    assert read.omitted >= 1


# Names without control characters.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("default", "default"),
        ("größe 日本語", "größe 日本語"),
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\ud800", "\\ud800"),
        ("\u202e", "\\u202e"),
        ("x" * 300, "x" * MAX_NAME),
        ("\n" * 300, ("\\n" * 300)[:MAX_NAME]),
        (None, "None"),
        (7, "7"),
        (b"bytes", "b'bytes'"),
        ("", ""),
    ],
    ids=ascii,
)
def test_any_name_becomes_plain_text(text: object, expected: str) -> None:
    assert sanitize_name(text) == expected


@given(st.text(alphabet=st.characters(), max_size=400) | st.integers() | st.none() | st.binary())
def test_plain_text_is_always_taken_by_a_listener(text: object) -> None:
    name = sanitize_name(text)
    assert name.isprintable() and len(name) <= MAX_NAME
    if name:
        assert decode(encode(a_gossip(hostname=name))).hostname == name


class Name(str):
    """A subclass of str as Django's SafeString, which the encoder does not accept."""


def test_a_subclass_of_str_becomes_a_str() -> None:
    assert type(sanitize_name(Name("mail"))) is str
    assert decode(encode(a_gossip(checks=(a_check(sanitize_name(Name("mail"))),)))).checks[0].queue == "mail"


ECHO = "0123456789abcdef"


@pytest.mark.parametrize("number", [1, 2, 2**53])
def test_an_echo_may_have_any_number_that_json_can_hold(number: int) -> None:
    assert decode(encode_echo(Echo(echo=BOOT, number=number))) == Echo(echo=BOOT, number=number)


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1])
def test_an_echo_has_no_other_number(number: int) -> None:
    with pytest.raises(RejectedGossip, match="invalid"):
        decode(encode_echo(Echo(echo=BOOT, number=number)))


def test_an_echo_is_read_as_it_was_written() -> None:
    echo = Echo(echo=ECHO, number=7)
    assert decode(encode_echo(echo)) == echo


@pytest.mark.parametrize(
    "body",
    [
        b'{"echo":"0123456789abcdef"}',
        b'{"number":1}',
        b'{"echo":"0123456789ABCDEF","number":1}',
        b'{"echo":"0123","number":1}',
        b'{"echo":"0123456789abcdef","number":0}',
        b'{"echo":"0123456789abcdef","number":"1"}',
    ],
)
def test_what_is_no_echo_is_an_invalid_gossip(body: bytes) -> None:
    assert reason_of(body) == "invalid"


def test_a_gossip_of_another_version_is_told_with_its_hostname() -> None:
    with pytest.raises(RejectedGossip, match=r"version: 2 of 'celery@web1', 1 is supported"):
        decode(wire(v=2))


@pytest.mark.parametrize("struct", [QueueCheck, Histogram, TaskSeries, Gossip, Echo])
def test_fields_are_given_by_name_so_that_a_release_may_put_one_between(struct: type) -> None:
    with pytest.raises(TypeError, match="positional"):
        struct("anything")


# Details of tasks.


def test_details_of_tasks_are_short_arrays_that_refer_to_names() -> None:
    gossip = a_gossip(
        checks=(
            a_check(active=("id-1", "id-2"), active_count=2, tasks=(RunningTask(1, 1.5), RunningTask(0, None, 2))),
        ),
        names=("shop.pack", "shop.send", "mail"),
        reserved_tasks=(TaskCount(2, 0, 7),),
        scheduled_tasks=(TaskCount(2, 1, 1),),
    )
    written = json.loads(encode(gossip))
    assert written["checks"][0]["tasks"] == [[1, 1.5, 0, False, None, None], [0, None, 2, False, None, None]]
    assert written["names"] == ["shop.pack", "shop.send", "mail"]
    assert (written["reserved_tasks"], written["scheduled_tasks"]) == ([[2, 0, 7]], [[2, 1, 1]])
    assert decode(encode(gossip)) == gossip


def test_details_of_a_task_take_at_most_forty_bytes() -> None:
    long = RunningTask(99, 86_400.5, 12, is_redelivered=True, soft_time_limit=3600.0, time_limit=86_400.0)
    gossip = a_gossip(checks=(a_check(active=("id",)),), names=("n",) * 100)
    detailed = a_gossip(checks=(a_check(active=("id",), tasks=(long,)),), names=("n",) * 100)
    assert len(encode(detailed)) - len(encode(gossip)) - len(',"tasks":[]') <= 40


def test_details_of_a_newer_or_older_release_may_have_more_or_fewer_items() -> None:
    body = with_check(active=["id-1"], tasks=[[0, 1.0, 0, False, None, None, "more", {"x": 1}]])
    gossip = decode(json.dumps({**json.loads(body), "names": ["shop.pack"]}).encode())
    assert isinstance(gossip, Gossip) and gossip.checks[0].tasks == (RunningTask(0, 1.0),)
    body = with_check(active=["id-1"], tasks=[[0, 1.0]])
    gossip = decode(json.dumps({**json.loads(body), "names": ["shop.pack"]}).encode())
    assert isinstance(gossip, Gossip) and gossip.checks[0].tasks == (RunningTask(0, 1.0),)


@pytest.mark.parametrize(
    "fields",
    [
        {"checks": [{"tasks": [[1, 1.0]]}], "names": ["a"]},
        {"checks": [{"tasks": [[0, 1.0]]}]},
        {"checks": [{"tasks": [[0, 1.0], [0, 1.0]]}], "names": ["a"]},
        {"checks": [{"tasks": [[-1, 1.0]]}], "names": ["a"]},
        {"checks": [{"tasks": [[0, -1.0]]}], "names": ["a"]},
        {"checks": [{"tasks": [[0, 1e300]]}], "names": ["a"]},
        {"checks": [{"tasks": [[0]]}], "names": ["a"]},
        {"checks": [{"tasks": [{"name": 0, "age": 1.0}]}], "names": ["a"]},
        {"reserved_tasks": [[0, 1, 1]], "names": ["a"]},
        {"scheduled_tasks": [[1, 0, 1]], "names": ["a"]},
        {"reserved_tasks": [[0, 0, -1]], "names": ["a"]},
        {"reserved_tasks": [[0, 0, 1]] * 11, "names": ["a"]},
        {"names": ["x" * 256]},
    ],
    ids=str,
)
def test_details_that_refer_to_nothing_or_are_out_of_bounds_are_invalid(fields: dict[str, Any]) -> None:
    check = as_dict(a_gossip(checks=(a_check(active=("id-1",), active_count=1),)))["checks"][0]
    checks = [{**check, **one} for one in fields.pop("checks", [{}])]
    assert reason_of(wire(checks=checks, **fields)) == "invalid"


def test_a_stack_has_at_most_twenty_printable_frames() -> None:
    gossip = a_gossip(stalled_for=6.0, stack=tuple(f"shop:wait:{n}" for n in range(20)))
    assert decode(encode(gossip)) == gossip and b"stack" not in encode(a_gossip())
    assert reason_of(wire(stack=["shop:wait:1"] * 21)) == "invalid"
    assert reason_of(wire(stack=["x" * 256])) == "invalid"
    assert reason_of(wire(stack=["shop:\x1b[31m:1"])) == "text"


def test_a_stack_goes_before_the_series_where_there_is_no_room() -> None:
    checks = tuple(a_check(f"{n:03d}{'q' * 230}") for n in range(150))
    plain = a_gossip(checks=checks, series=many_series(2))
    assert encode_bounded(a_gossip(checks=checks, series=many_series(2), stack=("f" * 255,) * 20))[0] == plain


def test_a_name_with_control_characters_is_refused() -> None:
    assert reason_of(wire(names=["a\nb"])) == "text"


def test_a_gossip_that_is_too_long_keeps_the_details_of_the_ids_that_it_keeps() -> None:
    names = tuple(f"shop.task_{n:03d}.{'x' * 200}" for n in range(200))
    ids = tuple(f"{n:036d}" for n in range(200))
    tasks = tuple(RunningTask(n, 1000.0 - n) for n in range(200))
    large = a_gossip(
        checks=tuple(a_check(f"q{n}", active=ids, active_count=200, tasks=tasks) for n in range(5)),
        names=(*names, "waiting"),
        reserved_tasks=(TaskCount(200, 200, 3),),
    )
    kept, body = encode_bounded(large)
    assert decode(body) == kept and len(body) <= MAX_BYTES
    for check in kept.checks:
        assert 0 < len(check.active) == len(check.tasks) < 200 and check.active == ids[: len(check.active)]
        assert [kept.names[task.name] for task in check.tasks] == list(names[: len(check.tasks)])
    assert kept.names[200] == "waiting" and kept.names[199] == ""


def test_without_room_for_any_id_the_names_go_before_the_series() -> None:
    checks = tuple(a_check(f"{n:03d}{'q' * 230}") for n in range(150))
    plain = a_gossip(checks=checks, series=many_series(2))
    gossip = a_gossip(
        checks=checks, names=("n" * 255, "m" * 255), reserved_tasks=(TaskCount(1, 0, 3),), series=many_series(2)
    )
    assert encode_bounded(plain)[0] == plain == encode_bounded(gossip)[0]


def test_unused_names_become_empty_and_those_at_the_end_go() -> None:
    gossip = a_gossip(checks=(a_check(active=("id",), tasks=(RunningTask(1, 1.0),)),), names=("a", "", "c", "d"))
    assert clear_unused_names(gossip).names == ("", "")
    assert clear_unused_names(a_gossip(names=("a",))).names == ()


# Resources.

MOST = 2**53
PROCESSES = PoolProcesses(9, 1, 2, 3, 1, 1, -9)
RESOURCES = Resources(100, 400, 200, 12.5, 2000, 600, PROCESSES)
LARGEST = Resources(MOST, MOST, MOST, float(MOST), MOST, MOST, PoolProcesses(MOST, MOST, MOST, MOST, MOST, MOST, -255))


@pytest.mark.parametrize("resources", [Resources(), Resources(rss=0), RESOURCES, LARGEST], ids=str)
def test_resources_survive_the_wire(resources: Resources) -> None:
    assert decode(encode(a_gossip(resources=resources))) == a_gossip(resources=resources)


def test_resources_are_short_arrays() -> None:
    written = json.loads(encode(a_gossip(resources=RESOURCES)))["resources"]
    assert written == [100, 400, 200, 12.5, 2000, 600, [9, 1, 2, 3, 1, 1, -9]]
    without = len(encode(a_gossip()))
    usual = Resources(10**8, 10**9, 10**9, 12345.67, 2**31, 2**31, PoolProcesses(1000, 100, 100, 100, 100, 8, -9))
    assert len(encode(a_gossip(resources=usual))) - without < 150
    assert len(encode(a_gossip(resources=LARGEST))) - without < 300


def test_the_processes_alive_are_those_that_have_not_ended() -> None:
    assert PROCESSES.alive == 2
    assert PoolProcesses(1, 5, 0, 0, 0, 0).alive == 0
    known = (Resources(rss=5), Resources(rss=5, children_rss=7), Resources())
    assert [one.total_rss for one in known] == [5, 12, None]


def test_resources_with_more_or_fewer_items_are_those_of_another_release() -> None:
    read = decode(wire(resources=[100, 400, 200, 12.5, 2000, 600, [9, 1, 2, 3, 1, 1, -9, "new"], {"new": 1}]))
    assert isinstance(read, Gossip) and read.resources == RESOURCES
    read = decode(wire(resources=[100]))
    assert isinstance(read, Gossip) and read.resources == Resources(rss=100)


@pytest.mark.parametrize(
    "resources",
    [
        {"rss": 100},
        "100",
        [-1],
        [1.5],
        ["100"],
        [True],
        [MOST + 1],
        [1, 1, 1, -0.1],
        [1, 1, 1, 1e300],
        [1, 1, 1, 1.0, -1],
        [1, 1, 1, 1.0, 1, 1, [1, 2, 3]],
        [1, 1, 1, 1.0, 1, 1, {"lost": 1}],
        [1, 1, 1, 1.0, 1, 1, [1, 1, 1, 1, 1, 1, 256]],
        [1, 1, 1, 1.0, 1, 1, [1, 1, 1, 1, 1, 1, -256]],
        [1, 1, 1, 1.0, 1, 1, [1, 1, 1, 1, -1, 1]],
    ],
    ids=str,
)
def test_resources_of_another_type_or_out_of_range_are_refused(resources: Any) -> None:
    assert reason_of(wire(resources=resources)) == "invalid"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "-1e400"])
def test_a_cpu_time_that_is_no_number_is_refused(number: str) -> None:
    body = wire(resources=[1, 1, 1, "@@"]).replace(b'"@@"', number.encode())
    assert reason_of(body) in ("invalid", "malformed")


def test_resources_are_kept_in_a_message_that_is_too_long() -> None:
    checks = tuple(a_check(f"q{n}", active=("x" * 255,) * 100, active_count=100) for n in range(10))
    kept, _ = encode_bounded(a_gossip(checks=checks, series=many_series(500), resources=LARGEST))
    assert kept.resources == LARGEST
