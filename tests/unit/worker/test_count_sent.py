"""Which processes count what they send, and that it costs the others nothing."""

import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.signals import after_task_publish, worker_process_shutdown

import celery_gossip
from celery_gossip.errors import UnsupportedTransport
from celery_gossip.worker import count_sent

ROOT = Path(__file__).parents[3]
UID = "celery_gossip.worker.count_sent"


@pytest.fixture(autouse=True)
def decision(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A decision of this test's own, among its own apps only."""
    own = count_sent._Decision()
    monkeypatch.setattr(count_sent, "_decision", own)
    monkeypatch.setattr(count_sent.compat, "active_apps", lambda: apps)
    monkeypatch.setattr(count_sent.atexit, "register", lambda function: None)
    apps.clear()
    yield own
    if own._reporter is not None:
        own._reporter.stop()
    after_task_publish.disconnect(dispatch_uid=UID)
    worker_process_shutdown.disconnect(dispatch_uid=f"{UID}.stop")


apps: list[Celery] = []


def an_app(broker: str = "memory://", **settings: Any) -> Celery:
    app = Celery("shop", broker=broker, set_as_current=False)
    app.conf.update(settings)
    apps.append(app)
    return app


def has_receivers() -> bool:
    return any(UID in str(key) for key, _ in after_task_publish.receivers)


def test_a_process_that_does_not_opt_in_keeps_neither_receiver_nor_thread(decision: Any) -> None:
    app = an_app()
    celery_gossip.install(app)
    assert has_receivers()
    app.send_task("shop.pack")
    assert not has_receivers() and decision._reporter is None
    assert "celery-gossip-sent" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("way", ["setting", "setting later", "keyword", "namespace"])
def test_a_process_opts_in_by(way: str, decision: Any) -> None:
    app = an_app(gossip_count_sent=True) if way == "setting" else an_app()
    if way == "namespace":
        app.config_from_object({"CELERY_GOSSIP_COUNT_SENT": True, "CELERY_BROKER_URL": "memory://"}, namespace="CELERY")
    celery_gossip.install(app, **({"count_sent": True} if way == "keyword" else {}))
    if way == "setting later":
        app.conf.gossip_count_sent = True
    for _ in range(3):
        app.send_task("shop.pack")
    assert sum(decision._reporter._counts.values()) == 3


@pytest.mark.parametrize(
    "settings", [{"gossip_enabled": False}, {"gossip_interval": -1}, {"gossip_intervall": 1.0}, {"gossip_secret": "x"}]
)
def test_a_process_whose_gossip_is_off_or_wrong_sends_its_tasks_and_counts_nothing(
    settings: dict[str, Any], decision: Any
) -> None:
    app = an_app(gossip_count_sent=True, **settings)
    celery_gossip.install(app)
    app.send_task("shop.pack")
    assert decision._reporter is None and not has_receivers()


def test_a_broker_without_fanout_is_logged_once(
    decision: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(app: Any, options: Any) -> None:
        raise UnsupportedTransport("no fanout exchanges")

    monkeypatch.setattr(count_sent, "open_broker", refuse)
    app = an_app(gossip_count_sent=True)
    celery_gossip.install(app)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            app.send_task("shop.pack")
    assert decision._reporter is None and not has_receivers()
    assert [record.getMessage() for record in caplog.records] == [
        "celery-gossip: sent tasks are not counted: no fanout exchanges"
    ]


def test_nothing_is_counted_where_another_app_of_the_process_has_another_broker(decision: Any) -> None:
    app, other = an_app(gossip_count_sent=True), an_app("redis://elsewhere/1")
    celery_gossip.install(app)
    assert other.conf.broker_url
    app.send_task("shop.pack")
    assert decision._reporter is None


def test_threads_that_send_the_first_tasks_at_the_same_time_are_all_counted(decision: Any) -> None:
    app = an_app(gossip_count_sent=True)
    celery_gossip.install(app)
    barrier = threading.Barrier(8)

    def send() -> None:
        barrier.wait()
        after_task_publish.send(sender="shop.pack", exchange="", routing_key="mail")

    senders = [threading.Thread(target=send) for _ in range(8)]
    assert app.conf.gossip_count_sent
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sum(decision._reporter._counts.values()) == 8


def test_an_app_that_is_not_configured_yet_is_asked_when_it_sends(decision: Any) -> None:
    late, app = an_app(gossip_count_sent=True), an_app()
    celery_gossip.install(late)
    celery_gossip.install(app)
    app.send_task("shop.pack")
    assert has_receivers() and decision._reporter is None
    late.send_task("shop.pack")
    assert sum(decision._reporter._counts.values()) == 1


def run(code: str, *, timeout: float = 60.0, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


SENDING = """
    import threading
    from celery import Celery
    import celery_gossip
    from celery_gossip.worker import count_sent
    from celery_gossip.wire.messages import decode

    class Printing:
        def __init__(self, *args, **kwargs): pass
        def publish(self, body):
            report = decode(body).sent
            print({report.names[one.task]: one.count for one in report.counts}, report.is_last, flush=True)
            return True
        def close(self): print("closed", flush=True)
        def fail_over(self): pass
        def close_in_child(self): pass
        def is_amqp_refusal(self, exc): return False

    count_sent.Publisher = Printing
    app = Celery("shop", broker="memory://")
    celery_gossip.install(app, count_sent=True)
"""


def test_a_script_that_ends_at_once_reports_what_it_has_sent() -> None:
    ended = run(SENDING + "\n    for _ in range(5): app.send_task('shop.pack')")
    assert ended.stdout.splitlines() == ["{'shop.pack': 5} True", "closed"]
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_script_whose_gossip_broker_cannot_be_reached_ends_in_time() -> None:
    ended = run(
        """
        import time
        from celery import Celery
        import celery_gossip
        app = Celery("shop", broker="memory://")
        celery_gossip.install(app, count_sent=True, broker_url="redis://10.255.255.1:6379/0")
        app.send_task("shop.pack")
        print(time.time())
        """
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_a_patched_process_counts_in_greenlets(library: str) -> None:
    if find_spec(library) is None:  # importing it here would replace os.fork() for other tests
        pytest.skip(f"{library} is not installed")
    patch = "import gevent.monkey; gevent.monkey.patch_all()"
    if library == "eventlet":
        patch = "import warnings; warnings.simplefilter('ignore'); import eventlet; eventlet.monkey_patch()"
    code = f"""
    {patch}
    {SENDING}
    import time
    count_sent._decision.add(app)
    app.send_task("shop.pack")
    count_sent._decision._reporter._interval = 0.1
    senders = [threading.Thread(target=app.send_task, args=("shop.pack",)) for _ in range(20)]
    for sender in senders: sender.start()
    for sender in senders: sender.join()
    time.sleep(0.3)
    """
    ended = run(code, timeout=120)
    assert "{'shop.pack': 21}" in ended.stdout, ended.stderr
    assert ended.returncode == 0


def test_children_of_a_pre_forking_server_count_for_themselves() -> None:
    ended = run(
        SENDING
        + """
    import os, sys, warnings
    warnings.simplefilter("ignore")
    app.send_task("shop.warm_up")  # the parent sends as well, before it forks
    for number in (1, 2):
        if os.fork() == 0:
            for _ in range(number): app.send_task("shop.pack")
            sys.exit(0)
        os.wait()
        """
    )
    lines = ended.stdout.splitlines()
    assert "{'shop.pack': 1} True" in lines and "{'shop.pack': 2} True" in lines, ended.stderr
    assert lines[-2:] == ["{'shop.warm_up': 1} True", "closed"]


def test_a_billiard_process_reports_when_the_pool_ends_it() -> None:
    """Pool processes end without atexit, and Celery sends a signal instead."""
    ended = run(
        SENDING
        + """
    import os, sys, warnings
    from celery.signals import worker_process_shutdown
    warnings.simplefilter("ignore")
    app.send_task("shop.warm_up")
    if os.fork() == 0:
        app.send_task("shop.pack")
        worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
        os._exit(0)
    os.wait()
        """
    )
    assert ended.stdout.splitlines()[0] == "{'shop.pack': 1} True", ended.stderr
