"""On a Celery without a name, the user's `celery.py` is imported, and its workers run without gossip."""

import subprocess
import sys

import pytest
from celery import Celery

from celery_gossip.worker import unsupported
from celery_gossip.worker.unsupported import stand_in
from tests.unit.fakes import a_consumer


@pytest.fixture(autouse=True)
def not_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsupported, "_warned", [])


def an_error() -> ImportError:
    return ImportError("cannot import name 'CLOSE' from 'celery.bootsteps'", name="celery.bootsteps")


def test_install_does_nothing_and_logs_why_once(caplog: pytest.LogCaptureFixture) -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    for _ in range(3):
        stand_in("install", an_error())(app, interval=1.0)
    assert not app.steps["consumer"]
    (record,) = caplog.records
    assert "celery-gossip: off" in record.message and "'CLOSE'" in record.message


def test_the_bootstep_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    consumer = a_consumer("default")
    step = stand_in("GossipStep", an_error())(consumer, gossip_interval=1.0, pool="solo")
    step.start(consumer)
    step.stop(consumer)
    assert consumer.queue_gossip is None and not step.enabled
    assert len(caplog.records) == 1


@pytest.mark.parametrize("error", [ImportError("no msgspec", name="msgspec"), ImportError("no name")])
def test_what_is_not_celerys_is_raised(error: ImportError) -> None:
    with pytest.raises(ImportError) as raised:
        stand_in("install", error)
    assert raised.value is error


def test_an_attribute_that_a_module_of_celery_lacks_is_celerys() -> None:
    import celery.bootsteps

    with pytest.raises(AttributeError) as raised:
        celery.bootsteps.NO_SUCH_NAME  # noqa: B018
    assert callable(stand_in("install", raised.value))


PROGRAM = """
import celery.worker.consumer  # which needs some of the names itself
import celery.{module} as module
from celery import Celery
del module.{name}
import celery_gossip
app = Celery("shop", broker="memory://")
celery_gossip.install(app, interval=2.0)
app.steps["consumer"].add(celery_gossip.GossipStep)
print("installed")
"""


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("bootsteps", "CLOSE"),
        ("bootsteps", "TERMINATE"),
        ("concurrency", "ALIASES"),
        ("utils.nodenames", "node_format"),
        ("worker.state", "active_requests"),
        ("worker.strategy", "create_request_cls"),
        ("worker.strategy", "default"),
        ("worker.request", "Request"),
        ("bin.base", "CeleryOption"),
        ("exceptions", "CeleryCommandException"),
        ("utils.serialization", "UnpickleableExceptionWrapper"),
    ],
)
def test_install_raises_nothing_where_a_name_is_missing(module: str, name: str) -> None:
    program = PROGRAM.format(module=module, name=name)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "installed\n"), done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
