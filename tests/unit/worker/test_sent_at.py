"""The stamp: every task says when it was sent, and nothing that a client writes there can hurt."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.signals import before_task_publish
from hypothesis import given
from hypothesis import strategies as st

from celery_gossip.worker.sent_at import sent_at, stamp_tasks

HEADER = "gossip_sent_at"
RETRY_HEADER = "gossip_sent_retries"


@pytest.fixture
def stamping() -> Iterator[None]:
    stamp_tasks()
    yield
    before_task_publish.disconnect(dispatch_uid="celery_gossip.worker.sent_at")


@pytest.fixture
def app() -> Iterator[Celery]:
    with Celery("shop", broker="memory://", set_as_current=False) as app:
        yield app


def headers_sent(app: Celery, **options: Any) -> dict[str, Any]:
    """Of a task, as its worker finds them."""
    with app.connection_for_write() as connection:
        app.send_task("shop.pack", queue="stamped", connection=connection, **options)
        message = connection.default_channel.basic_get("stamped", no_ack=True)
        headers: dict[str, Any] = message.headers
        return headers


@pytest.mark.usefixtures("stamping")
def test_a_task_is_stamped_with_the_time_of_its_sending(app: Celery) -> None:
    before = time.time()
    stamped = sent_at(headers_sent(app))
    assert stamped is not None and before <= stamped <= time.time()


@pytest.mark.usefixtures("stamping")
def test_the_headers_of_the_user_stay(app: Celery) -> None:
    assert headers_sent(app, headers={"tenant": "acme"})["tenant"] == "acme"


@pytest.mark.usefixtures("stamping")
def test_a_task_that_is_sent_again_is_stamped_again(app: Celery) -> None:
    before = time.time()
    stamped = sent_at(headers_sent(app, headers={HEADER: 1.0}))
    assert stamped is not None and stamped >= before


@pytest.mark.usefixtures("stamping")
def test_a_retry_is_stamped_with_its_number(app: Celery) -> None:
    before = time.time()
    first = headers_sent(app)
    retry = headers_sent(app, headers={HEADER: first[HEADER]}, retries=2)
    assert RETRY_HEADER not in first
    assert retry[RETRY_HEADER] == 2
    stamped = sent_at(retry)
    assert stamped is not None and stamped >= before


def test_a_retry_sent_without_a_stamp_does_not_pass_on_that_of_the_first_sending(app: Celery) -> None:
    """Celery copies the headers of the message that it retries."""
    assert sent_at(headers_sent(app, headers={HEADER: 1.0}, retries=1)) is None
    assert sent_at(headers_sent(app, headers={HEADER: 1.0, RETRY_HEADER: 1}, retries=2)) is None


@pytest.mark.usefixtures("stamping")
def test_a_copy_that_is_sent_as_a_new_task_has_no_number(app: Celery) -> None:
    headers = headers_sent(app, headers={HEADER: 1.0, RETRY_HEADER: 3})
    assert RETRY_HEADER not in headers and sent_at(headers) is not None


@pytest.mark.parametrize("number", [None, "1", [], {}, -1, 1.5, float("nan"), True], ids=repr)
def test_a_number_that_is_none_of_a_retry_is_harmless(number: Any) -> None:
    for retries in (0, 1, None, "1", []):
        assert sent_at({HEADER: 5.0, RETRY_HEADER: number, "retries": retries}) in (None, 5.0)


@pytest.mark.usefixtures("stamping")
@pytest.mark.parametrize("headers", [None, (), [], "text", 7], ids=repr)
def test_headers_that_cannot_take_a_stamp_stay_as_they_are(headers: Any) -> None:
    results = before_task_publish.send(sender="shop.pack", headers=headers, body=None)
    assert not any(isinstance(result, Exception) for _, result in results)


def test_it_is_stamped_once_however_often_it_is_asked_for() -> None:
    before = len(before_task_publish.receivers)
    for _ in range(3):
        stamp_tasks()
    assert len(before_task_publish.receivers) == before + 1
    before_task_publish.disconnect(dispatch_uid="celery_gossip.worker.sent_at")


def test_without_install_nothing_is_stamped(app: Celery) -> None:
    assert HEADER not in headers_sent(app)


@pytest.mark.parametrize("stamped", [1_700_000_000.5, 1_700_000_000, 0.5, 99_999_999_999])
def test_a_plausible_stamp_is_read(stamped: float) -> None:
    told = sent_at({HEADER: stamped})
    assert (told, type(told)) == (stamped, float)


HOSTILE = [
    *(None, True, False, "", "1700000000", b"1", [], [1.0], {}, {"a": 1}, object()),
    *(float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 10**400, -(10**400), 0, 0.0, -1, 1.7e12),
]


@pytest.mark.parametrize("stamped", HOSTILE, ids=lambda value: repr(value)[:20])
def test_what_is_no_time_is_no_stamp(stamped: Any) -> None:
    assert sent_at({HEADER: stamped}) is None


@pytest.mark.parametrize("headers", [None, {}, {"gossip": 1}, (), [], "text", 7], ids=repr)
def test_a_message_without_a_stamp_has_none(headers: Any) -> None:
    assert sent_at(headers) is None


SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


@given(SOME_JSON)
def test_any_json_is_a_time_or_no_stamp(stamped: Any) -> None:
    told = sent_at({HEADER: stamped})
    assert told is None or 0 < told < 1e11


@pytest.mark.usefixtures("stamping")
def test_headers_that_refuse_a_stamp_leave_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    class Sealed(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            raise MemoryError(key)

    before_task_publish.send(sender="shop.pack", headers=Sealed())
    assert caplog.text == ""
