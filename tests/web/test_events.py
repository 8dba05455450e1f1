"""Event streams: whole tables first, then changes; what a viewer gets after a reconnect."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from celery_gossip.web.broadcaster import Broadcaster
from tests.unit.build import a_check
from tests.web.fake_fleet import FakeFleet
from tests.web.served import Served, stream_events

WORKER = "0/celery@web1"


@pytest.fixture
def fleet() -> FakeFleet:
    fleet = FakeFleet()
    fleet.report(checks=(a_check("mail"),))
    return fleet


@pytest.fixture
def broadcaster(fleet: FakeFleet) -> Iterator[Broadcaster]:
    broadcaster = Broadcaster([fleet.sampler()], clock=fleet.clock)
    yield broadcaster
    broadcaster.close()


def report_later(fleet: FakeFleet, seconds: float, active: int) -> None:
    fleet.clock.advance(seconds)
    fleet.report(active=active, checks=(a_check("mail"),))


def changes_in(event: dict[str, Any]) -> Any:
    """Return the fields of the worker in this event."""
    return event["topics"]["workers"]["tables"]["workers"]["set"][WORKER]


def test_a_viewer_gets_whole_tables_first_and_then_changes(fleet: FakeFleet, broadcaster: Broadcaster) -> None:
    async def view() -> list[dict[str, Any]]:
        stream = stream_events(broadcaster, "workers", "fleet")
        first = await anext(stream)
        report_later(fleet, 2, active=3)
        await broadcaster._sample()
        return [first, await anext(stream)]

    first, second = asyncio.run(view())
    assert {topic["full"] for topic in first["topics"].values()} == {True}
    assert second["topics"]["workers"]["tables"]["workers"]["set"] == {WORKER: {"active": 3}}
    assert second["id"] > first["id"]


def test_the_first_viewer_gets_the_last_idle_sample_at_once_and_then_a_new_one(
    fleet: FakeFleet, broadcaster: Broadcaster
) -> None:
    async def view() -> list[dict[str, Any]]:
        await broadcaster._sample()
        report_later(fleet, 5, active=3)
        stream = stream_events(broadcaster, "workers")
        first = await anext(stream)
        await broadcaster._sample()
        return [first, await anext(stream)]

    assert [changes_in(event)["active"] for event in asyncio.run(view())] == [0, 3]


def test_a_sample_that_is_too_old_is_not_sent_first(fleet: FakeFleet, broadcaster: Broadcaster) -> None:
    async def view() -> dict[str, Any]:
        await broadcaster._sample()
        report_later(fleet, 11, active=3)
        return await anext(stream_events(broadcaster, "workers"))

    assert changes_in(asyncio.run(view()))["active"] == 3


def test_a_reconnect_with_other_topics_gets_whole_tables(broadcaster: Broadcaster) -> None:
    async def view() -> list[dict[str, Any]]:
        last = (await anext(stream_events(broadcaster, "fleet")))["id"]
        return [
            await anext(stream_events(broadcaster, *topics, last_id=last))
            for topics in (("fleet", "workers"), ("fleet",))
        ]

    other, same = asyncio.run(view())
    assert {name: topic["full"] for name, topic in other["topics"].items()} == {"fleet": True, "workers": True}
    assert same["topics"] == {}


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_reconnect_gets_the_changes_that_it_missed(
    fleet: FakeFleet, broadcaster: Broadcaster, *, is_watched: bool
) -> None:
    """Tick by tick if another viewer watched the topic; otherwise it is updated only at the reconnect."""

    async def view() -> list[dict[str, Any]]:
        stream = stream_events(broadcaster, "workers")
        other = stream_events(broadcaster, "workers" if is_watched else "fleet")
        await anext(other)
        last = (await anext(stream))["id"]
        await stream.aclose()  # type: ignore[attr-defined]
        for active in (1, 2):
            report_later(fleet, 2, active)
            await broadcaster._sample()
            assert broadcaster._is_current("workers") is is_watched
        stream = stream_events(broadcaster, "workers", last_id=last)
        missed = [await anext(stream) for _ in range(2 if is_watched else 1)]
        return [*missed, await anext(stream_events(broadcaster, "workers", last_id="another-1"))]

    *missed, unknown_id = asyncio.run(view())
    assert [changes_in(event) for event in missed] == [
        {"active": active} for active in ((1, 2) if is_watched else (2,))
    ]
    assert unknown_id["topics"]["workers"]["full"] is True and changes_in(unknown_id)["active"] == 2


@pytest.mark.parametrize(
    "query", ["", "topic=nothing", "topic=fleet%0A", "topic=queue:0", "&".join(["topic=fleet"] * 9)]
)
def test_a_stream_of_invalid_topics_is_a_bad_request(served: Served, query: str) -> None:
    response = served.get(f"/api/events?{query}")
    assert response.status_code == 400 and response.json()["error"].startswith("topic: expected one to 8 of fleet, ")


def test_a_viewer_without_a_place_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.web.broadcaster.MAX_VIEWERS", 0)
    assert served.get("/api/events?topic=fleet").status_code == 503
