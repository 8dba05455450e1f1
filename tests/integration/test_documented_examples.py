"""Every example in Python that README and documents show runs as it is shown, on a broker where a worker reports.

The worker has an embedded beat, and tasks of it have failed.

A block that cannot run has a line `<!-- not run: reason -->` before it.
"""

import asyncio
import itertools
import re
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import prometheus_client
import pytest
from starlette.applications import Starlette

import celery_gossip
from celery_gossip import BeatEntry, Listener
from celery_gossip.wire.encoding import encode_beat
from celery_gossip.wire.messages import TaskFailure, WaitingTask
from tests.integration.corner import Corner
from tests.unit.build import a_beat, a_check, a_series

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "SECURITY.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/**/*.md"))))
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>.+?) -->\n)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
FOLLOW_FOR = 3.0  #: seconds for which an example that never ends may run


def examples() -> Iterator[Any]:
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start("code")) + 1
            yield pytest.param(name, block["code"], block["reason"], id=f"{name}:{line}")


@pytest.fixture
def reporting_corner(redis_corner: Corner) -> Iterator[Corner]:
    """A corner in which a worker reports; gossip of the app is that of the corner."""
    redis_corner.app.conf.gossip_exchange = redis_corner.exchange
    over = threading.Event()

    def report() -> None:
        checks, series = (a_check("mail", active_count=1),), (a_series(queue="mail", succeeded=3),)
        names, failures = ("shop.pay", "mail", "CardDeclined"), (TaskFailure(1, 0, 1, 2, "id-1", 1.0),)
        waiting = (WaitingTask("id-2", 0, 1, "scheduled", 9.0, 0, 60.0),)
        beat = a_beat(BeatEntry("report", "shop.report", "every 1 h"), hostname="celery@web1", worker="celery@web1")
        numbers = itertools.count(1)
        while not over.wait(0.4):
            redis_corner.say(checks=checks, series=series, names=names, failures=failures, waiting=waiting)
            with redis_corner.publisher() as publisher:
                publisher.publish(encode_beat(msgspec.structs.replace(beat, seq=next(numbers))))

    thread = threading.Thread(target=report)
    thread.start()
    yield redis_corner
    over.set()
    thread.join()


@pytest.fixture
def limited_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that follows events for ever ends after a while; metrics are those of a registry of the test."""
    run = asyncio.run

    def run_for_a_while(main: Coroutine[Any, Any, Any]) -> None:
        async def limited() -> None:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(main, FOLLOW_FOR)

        run(limited())

    monkeypatch.setattr(asyncio, "run", run_for_a_while)
    monkeypatch.setattr(prometheus_client, "REGISTRY", prometheus_client.CollectorRegistry())


def namespace_for(document: str, corner: Corner) -> dict[str, Any]:
    names: dict[str, Any] = {"celery_gossip": celery_gossip, "app": corner.app}
    if document == "docs/how-to/dashboard.md":
        names |= {"celery_app": corner.app, "app": Starlette()}
    return names


@pytest.mark.redis
@pytest.mark.usefixtures("limited_in_time")
@pytest.mark.parametrize(("document", "code", "reason"), list(examples()))
def test_the_example_runs(
    document: str, code: str, reason: str | None, reporting_corner: Corner, capsys: pytest.CaptureFixture[str]
) -> None:
    if reason is not None:
        pytest.skip(reason)
    names = namespace_for(document, reporting_corner)
    try:
        exec(compile(code, document, "exec"), names)
    finally:
        for listener in [one for one in names.values() if isinstance(one, Listener)]:
            listener.close()
    if "print(" in code:
        assert "celery@web1" in capsys.readouterr().out


def test_the_documents_have_examples() -> None:
    found = Counter(example.values[0] for example in examples())
    assert found["docs/reference/python-api.md"] >= 3 and found["docs/reference/settings.md"] >= 3
    assert found["README.md"] >= 2 and found["docs/index.md"] >= 1
    assert len(found) >= 8
