"""A listener whose thread is gone starts again or says so: errors nobody catches, forks, close and start."""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

import pytest

from celery_gossip import Listener, NotRunning, signals
from celery_gossip.exporter import Exporter, ExporterOptions, render_exposition
from celery_gossip.listener.periodic_checks import PeriodicChecks
from celery_gossip.listener.receive_loop import ReceiveLoop
from celery_gossip.log import LimitedLogger
from tests.integration.corner import Corner, assert_connected
from tests.support import eventually

CHILD_TIMEOUT = 20.0  #: seconds for a forked child


class GreenletExit(BaseException):
    """As gevent and eventlet raise where a greenlet is killed."""


def say_until(corner: Corner, listener: Listener, hostname: str = "celery@web1") -> None:
    def is_heard() -> None:
        corner.say(hostname=hostname, boot=f"{abs(hash(hostname)):016x}"[:16])
        assert listener.cluster.has_worker(hostname), listener.error

    eventually(is_heard, 10, every=0.2)


# Errors that nothing catches.


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_receiver_that_raises_what_is_no_exception_does_not_end_the_thread(
    redis_corner: Corner,
    raised: BaseException,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "_log", LimitedLogger())

    def blow_up(sender: Any, **data: Any) -> None:
        raise raised

    with redis_corner.listener() as listener, signals.gossip_received.connected_to(blow_up):
        connected_at = listener.connected_at
        for n in range(2):
            say_until(redis_corner, listener, f"celery@w{n}")
        assert (listener.is_alive, listener.connected_at, listener.failure) == (True, connected_at, "")
    assert "a receiver of gossip_received raised" in caplog.text


def test_an_error_in_the_handling_of_an_error_is_logged_and_the_listener_connects_again(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_corner.listener() as listener:
        receive = ReceiveLoop._receive_messages

        def fail(*_: Any) -> None:
            raise ZeroDivisionError("an error path with an error of its own")

        with monkeypatch.context() as patch:
            patch.setattr(ReceiveLoop, "_receive_messages", fail)
            patch.setattr(ReceiveLoop, "_wait_for_retry", fail)
            patch.setattr(listener._control, "closing", Once(listener._control.closing))
            eventually(lambda: assert_isolated(listener), 10)
            assert isinstance(listener.error, ZeroDivisionError)
            eventually(lambda: assert_found_isolated(listener), 10)  # the review comes after the state
        assert ReceiveLoop._receive_messages is receive
        say_until(redis_corner, listener)
        assert listener.is_alive and listener.error is None
    assert "the listener failed with ZeroDivisionError" in caplog.text


def assert_found_isolated(listener: Listener) -> None:
    assert [finding.kind for finding in listener.findings] == ["isolated"]


class Once:
    """An Event that ends the present turn, and nothing else."""

    def __init__(self, event: threading.Event) -> None:
        self._event, self._asked = event, 0
        self.wait, self.set = event.wait, event.set

    def is_set(self) -> bool:
        self._asked += 1
        return self._asked == 1 or self._event.is_set()


def assert_isolated(listener: Listener) -> None:
    assert listener.cluster.isolated_since is not None


def kill_the_thread(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: Any, **__: Any) -> None:
        raise GreenletExit("killed")

    monkeypatch.setattr(PeriodicChecks, "run", end)
    eventually(lambda: assert_dead(listener), 10)
    monkeypatch.undo()


def assert_dead(listener: Listener) -> None:
    assert not listener.is_alive


def test_a_listener_whose_thread_has_ended_is_isolated_and_says_why_until_it_is_started_again(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_corner.listener() as listener:
        say_until(redis_corner, listener)
        kill_the_thread(listener, monkeypatch)
        view = listener.view()
        assert view.isolated_since is not None and listener.connected_at is None
        assert [worker.state for worker in view.workers] == ["online"]
        (finding,) = listener.findings
        assert (finding.kind, finding.severity, finding.since) == ("isolated", "critical", view.isolated_since)
        assert "its thread has ended (GreenletExit: killed)" in finding.text
        assert "celery_gossip_listener_up 0.0" in render_exposition(listener).decode()
        with pytest.raises(NotRunning, match="GreenletExit: killed"):
            listener.wait(timeout=5)
        listener.start()
        assert not listener.view().workers
        say_until(redis_corner, listener)
        assert (listener.failure, listener.findings) == ("", ())


def test_waiting_ends_at_once_when_the_thread_ends(redis_corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    with redis_corner.listener() as listener:
        waiting = threading.Timer(0.3, partial(kill_the_thread, listener, monkeypatch))
        waiting.start()
        with pytest.raises(NotRunning, match="has ended"):
            listener.wait(workers=5, timeout=30)
        waiting.join()


def test_a_listener_that_is_stuck_in_a_receiver_is_isolated_and_says_so(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_gossip.cluster.cluster.HEARTBEAT_TIMEOUT", 1.0)
    monkeypatch.setattr("celery_gossip.listener.readiness.HEARTBEAT_TIMEOUT", 1.0)
    release = threading.Event()

    def block(sender: Any, **data: Any) -> None:
        release.wait(30)

    with redis_corner.listener() as listener, signals.gossip_received.connected_to(block):
        redis_corner.say()
        eventually(lambda: assert_isolated(listener), 10)
        (finding,) = listener.findings
        assert "stuck" in finding.text and "signal receiver" in finding.text and listener.is_alive
        release.set()
        eventually(lambda: assert_heals(listener), 10)


def assert_heals(listener: Listener) -> None:
    assert listener.cluster.isolated_since is None and listener.findings == ()


# Started, closed, started again.


def test_a_listener_that_is_started_again_begins_with_an_empty_view_and_hears(corner: Corner) -> None:
    listener = Listener(corner.app, corner.options)
    for hostname in ("celery@first", "celery@second"):
        with listener:
            assert listener.view().workers == () and listener.is_alive
            assert_connected(listener)
            say_until(corner, listener, hostname)
            listener.wait(timeout=5)
            assert [worker.gossip.hostname for worker in listener.view().workers] == [hostname]
        assert not listener.is_alive and listener.view().isolated_since is not None
    assert [thread for thread in threading.enumerate() if thread.name.startswith("celery-gossip")] == []


def test_waiting_for_a_listener_that_does_not_run_is_an_error(redis_corner: Corner) -> None:
    listener = Listener(redis_corner.app, redis_corner.options)
    with pytest.raises(NotRunning, match="not started"):
        listener.wait(timeout=5)
    with listener:
        say_until(redis_corner, listener)
    for wait in (listener.wait, listener.wait_for_diagnosis):
        with pytest.raises(NotRunning, match="closed"):
            wait(timeout=5)


def test_a_receiver_that_closes_and_starts_its_listener_is_told_that_this_cannot_be(redis_corner: Corner) -> None:
    told: list[str] = []

    def on_gossip(sender: Any, **data: Any) -> None:
        listener.close()
        try:
            listener.start()
        except NotRunning as exc:
            told.append(str(exc))

    with redis_corner.listener() as listener, signals.gossip_received.connected_to(on_gossip):
        redis_corner.say()
        eventually(lambda: assert_dead(listener), 10)
    assert told and "has not ended yet" in told[0]


def test_waiting_for_workers_ends_when_the_backlogs_of_their_queues_are_known(redis_corner: Corner) -> None:
    with redis_corner.listener() as listener:
        redis_corner.say()
        listener.wait(timeout=5)
        assert [queue.backlog for queue in listener.view().queues] == [0]


def test_the_diagnosis_is_complete_after_two_seconds_where_all_is_well(redis_corner: Corner) -> None:
    with redis_corner.listener() as listener:
        assert listener.wait_for_diagnosis(timeout=0.05) is False
        say_until(redis_corner, listener)
        began = time.monotonic()
        assert listener.wait_for_diagnosis()
        assert time.monotonic() - began < 10 and not listener.is_diagnosing


# Forks.


def in_a_child(work: Callable[[], Any]) -> str:
    """Return what `work` returns in a forked child, as text; what it raises, too."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(int(CHILD_TIMEOUT))
        try:
            told = str(work())
        except BaseException as exc:
            told = repr(exc)
        gc.collect()  # nothing of the parent's connections may be closed by it
        os.write(writer, told.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0, f"the child hung: {told}"
    return told


def threads_of_ours() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("celery-gossip"))


@contextmanager
def saying(corner: Corner) -> Iterator[None]:
    """A worker that reports twice a second, from another process: this one's threads are not in a child."""
    process = get_context("spawn").Process(target=say_for_ever, args=(corner.kind, corner.url, corner.exchange))
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def say_for_ever(kind: str, url: str, exchange: str) -> None:
    corner = Corner(kind, url)
    corner.exchange = exchange
    corner.options = type(corner.options)(exchange=exchange, interval=0.5)
    while True:
        corner.say()
        time.sleep(0.4)


@pytest.fixture(params=["redis", "rabbitmq"])
def forking_corner(request: pytest.FixtureRequest) -> Corner:
    corner: Corner = request.getfixturevalue({"redis": "redis_corner", "rabbitmq": "amqp_corner"}[request.param])
    return corner


def test_in_a_forked_child_a_listener_starts_again_on_its_first_use_and_its_parents_goes_on(
    forking_corner: Corner,
) -> None:
    def use() -> list[Any]:
        before = (threads_of_ours(), listener.is_alive)
        is_empty = not listener.view().workers
        listener.wait(timeout=10)
        states = [worker.state for worker in listener.view().workers]
        backlogs = [queue.backlog for queue in listener.view().queues]
        up = b"celery_gossip_listener_up 1.0" in render_exposition(listener)
        return [before, is_empty, states, backlogs, up, threads_of_ours()]

    with saying(forking_corner), forking_corner.listener() as listener:
        listener.wait(timeout=20)
        connected_at = listener.connected_at
        threads = ["celery-gossip-backlog", "celery-gossip-listener"]
        backlog = 0 if forking_corner.kind == "redis" else None  # RabbitMQ knows no such queue
        for _ in range(2):
            told = in_a_child(use)
            assert told == str([([], False), True, ["online"], [backlog], True, threads])
        time.sleep(1.0)  # a goodbye of the child's would be noticed by now
        assert (listener.connected_at, listener.cluster.isolated_since) == (connected_at, None)
        assert [worker.state for worker in listener.view().workers] == ["online"]


def test_a_child_that_never_uses_the_listener_starts_no_threads_and_closes_nothing(forking_corner: Corner) -> None:
    with forking_corner.listener() as listener:
        say_until(forking_corner, listener)
        connected_at = listener.connected_at
        assert in_a_child(lambda: [listener.is_alive, threads_of_ours(), listener.close()]) == "[False, [], None]"
        say_until(forking_corner, listener, "celery@later")
        assert listener.connected_at == connected_at


def test_a_cluster_that_was_kept_from_before_the_fork_is_isolated_until_the_listener_is_used(
    redis_corner: Corner,
) -> None:
    with redis_corner.listener() as listener:
        say_until(redis_corner, listener)
        cluster = listener.cluster
        told = in_a_child(lambda: [cluster.isolated_since is not None, cluster.workers(), cluster is listener.cluster])
        assert told == "[True, (), True]"


def test_locks_that_other_threads_hold_at_the_fork_do_not_stop_the_child(redis_corner: Corner) -> None:
    with redis_corner.listener() as listener:
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with listener.cluster._lock, listener._lifecycle, listener._changes._condition:
                held.set()
                release.wait(30)

        holder = threading.Thread(target=hold)
        holder.start()
        assert held.wait(5)
        told = in_a_child(lambda: [listener.view().workers, listener.close()])
        release.set()
        holder.join()
        assert told == "[(), None]"


def test_a_listener_that_was_not_started_before_the_fork_works_in_the_child(redis_corner: Corner) -> None:
    listener = Listener(redis_corner.app, redis_corner.options)

    def use() -> str:
        assert not threads_of_ours() and not listener.view().workers and not listener.is_alive
        with listener:
            say_until(redis_corner, listener)
            return listener.view().workers[0].state

    assert in_a_child(use) == "online"
    assert not listener.is_alive


def test_a_listener_that_was_closed_before_the_fork_stays_closed_in_the_child(redis_corner: Corner) -> None:
    with redis_corner.listener() as listener:
        say_until(redis_corner, listener)
    told = in_a_child(lambda: [listener.view().workers, listener.is_alive, listener.is_closed, threads_of_ours()])
    assert told == "[(), False, True, []]"


def test_a_fork_without_pythons_hooks_is_noticed(redis_corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    with redis_corner.listener() as listener:
        monkeypatch.setattr(listener, "reset_after_fork", lambda: None)  # as where a server in C forks

        def use() -> bool:
            monkeypatch.undo()
            return listener.view().workers == () and listener.is_alive

        assert in_a_child(use) == "True"


def test_a_child_of_multiprocessing_uses_the_listener_of_its_parent(redis_corner: Corner) -> None:
    with redis_corner.listener() as listener:
        say_until(redis_corner, listener)
        context = get_context("fork")
        results = context.SimpleQueue()
        child = context.Process(target=lambda: results.put((len(listener.view().workers), listener.is_alive)))
        child.start()
        child.join(CHILD_TIMEOUT)
        assert (child.exitcode, results.get()) == (0, (0, True))


def test_a_thread_that_cannot_be_started_in_a_child_is_visible(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_corner.listener() as listener:

        def use() -> list[Any]:
            def refuse(*_: Any) -> None:
                raise RuntimeError("can't start new thread")

            monkeypatch.setattr(threading.Thread, "start", refuse)
            return [listener.view().isolated_since is not None, [one.kind for one in listener.findings]]

        assert in_a_child(use) == "[True, ['isolated']]"


def test_an_exporter_that_was_started_before_the_fork_serves_in_the_parent_alone(redis_corner: Corner) -> None:
    import httpx

    with redis_corner.listener() as listener, Exporter(listener, ExporterOptions(), port=0) as exporter:
        told = in_a_child(lambda: [exporter._server._server.fileno(), exporter.__exit__(None, None, None)])
        assert told == "[-1, None]"
        assert httpx.get(exporter.url).status_code == 200
