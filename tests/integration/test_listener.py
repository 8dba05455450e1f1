"""A Listener hears every worker, tells what it hears, and leaves nothing behind."""

import threading
import time
from functools import partial
from typing import Any

import pytest
from celery import Celery

from celery_gossip import GossipOptions, InvalidOption, Listener
from celery_gossip.diagnosis.diagnosis import Diagnosis
from celery_gossip.wire.encoding import encode
from tests.integration.corner import Corner, assert_connected
from tests.support import brokers, eventually
from tests.unit.build import BOOT, OTHER_BOOT, a_check, a_gossip


def names(telemetry: list[Any]) -> list[str]:
    return [name for name, _, _ in telemetry]


def test_a_worker_that_speaks_is_in_the_view(corner: Corner) -> None:
    with corner.listener() as listener:
        corner.say(checks=(a_check("mail", active_count=2, paused=True),))
        listener.wait(workers=1, timeout=5)
        (worker,) = listener.cluster.workers()
        (queue,) = listener.cluster.queues()
    assert (worker.gossip.hostname, worker.state) == ("celery@web1", "online")
    assert 0 <= worker.age < 5
    assert (queue.queue, queue.workers, queue.active, queue.paused) == ("mail", 1, 2, "yes")


def test_waiting_ends_when_enough_workers_are_heard(corner: Corner) -> None:
    with corner.listener() as listener:
        for n in range(3):
            corner.say(hostname=f"celery@w{n}")
        listener.wait(workers=3, timeout=5)
        assert len(listener.cluster.workers()) == 3


def test_waiting_in_vain_says_what_was_heard_and_where(corner: Corner) -> None:
    with corner.listener() as listener:
        corner.say()
        listener.wait(workers=1, timeout=5)
        with pytest.raises(TimeoutError, match=r"^1 of 3 workers reported within 0\.2 s; listening on ") as vain:
            listener.wait(workers=3, timeout=0.2)
        assert listener.uri in str(vain.value)


def test_a_worker_that_has_left_is_not_waited_for(redis_corner: Corner) -> None:
    with redis_corner.listener() as listener:
        redis_corner.say(state="offline")
        eventually(lambda: assert_state(listener, "offline"))
        with pytest.raises(TimeoutError, match="^0 of 1 workers reported"):
            listener.wait(workers=1, timeout=0.1)


def assert_state(listener: Listener, state: str) -> None:
    assert [worker.state for worker in listener.cluster.workers()] == [state]


def test_signals_tell_what_is_heard_and_what_changes(corner: Corner, telemetry: list[Any]) -> None:
    with corner.listener() as listener:
        told = {"online": {}, "stalled": {"stalled_for": 1.0}, "draining": {"state": "draining"}}
        for state, fields in {**told, "offline": {"state": "offline"}}.items():
            corner.say(**fields)  # one by one: the filesystem keeps no order within a millisecond
            eventually(partial(assert_state, listener, state))
    assert [name for name in names(telemetry) if name.startswith("worker")] == [
        "worker_online",
        "worker_stalled",
        "worker_draining",
        "worker_offline",
    ]
    heard = [data["gossip"] for name, _, data in telemetry if name == "gossip_received"]
    assert [gossip.seq for gossip in heard] == [1, 2, 3, 4]
    assert {sender for _, sender, _ in telemetry} == {corner.app}
    assert [data["worker"].state for name, _, data in telemetry if name == "worker_offline"] == ["offline"]


def test_a_worker_that_falls_silent_is_suspect_then_lost(redis_corner: Corner, telemetry: list[Any]) -> None:
    with redis_corner.listener() as listener:
        redis_corner.say(interval=0.5)
        eventually(lambda: assert_state(listener, "online"))
        eventually(lambda: assert_state(listener, "lost"), timeout=8)
    told = [name for name in names(telemetry) if name.startswith("worker")]
    assert told == ["worker_online", "worker_suspect", "worker_lost"]


def test_a_receiver_that_raises_does_not_deafen_the_listener(redis_corner: Corner) -> None:
    from celery_gossip import signals

    def blow_up(sender: Any, **data: Any) -> None:
        raise OSError("a receiver of somebody")

    with (
        signals.gossip_received.connected_to(blow_up),
        signals.worker_online.connected_to(blow_up),
        redis_corner.listener() as listener,
    ):
        connected_at = listener.connected_at
        for n in range(3):
            redis_corner.say(hostname=f"celery@w{n}")
        listener.wait(workers=3, timeout=5)
        assert listener.connected_at == connected_at


def test_a_worker_that_was_started_again_takes_the_place_of_what_it_was(
    redis_corner: Corner, telemetry: list[Any]
) -> None:
    with redis_corner.listener() as listener:
        redis_corner.say(boot=BOOT, seq=100)
        eventually(lambda: assert_boots(listener, {BOOT: "online"}))
        redis_corner.say(boot=OTHER_BOOT, seq=1)
        eventually(lambda: assert_boots(listener, {OTHER_BOOT: "online"}))
    assert [name for name in names(telemetry) if name.startswith("worker")] == ["worker_online"] * 2


def assert_boots(listener: Listener, expected: dict[str, str]) -> None:
    assert {worker.gossip.boot: worker.state for worker in listener.cluster.workers()} == expected


def test_a_diagnosis_that_fails_does_not_deafen_the_listener(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def blow_up(self: Any, evidence: Any, now: float) -> Any:
        raise KeyError("a rule that stumbles")

    monkeypatch.setattr(Diagnosis, "evaluate", blow_up)
    with redis_corner.listener() as listener:
        connected_at = listener.connected_at
        redis_corner.say()
        listener.wait(timeout=5)
        eventually(lambda: assert_logged(caplog, "the diagnosis failed: KeyError('a rule that stumbles')"))
        redis_corner.say(hostname="celery@later")
        listener.wait(workers=2, timeout=5)
        assert listener.connected_at == connected_at


def assert_logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    assert text in caplog.text


def test_closing_ends_the_threads_and_may_be_repeated(corner: Corner) -> None:
    listener = Listener(corner.app, corner.options).start()
    assert_connected(listener)
    began = time.monotonic()
    listener.close()
    listener.close()
    assert time.monotonic() - began < 2
    assert [thread for thread in threading.enumerate() if thread.name.startswith("celery-gossip")] == []


def test_a_receiver_may_close_the_listener(redis_corner: Corner) -> None:
    from celery_gossip import signals

    with redis_corner.listener() as listener:

        def on_gossip(sender: Any, **data: Any) -> None:
            listener.close()

        def assert_ended() -> None:
            assert listener._thread is not None and not listener._thread.is_alive()

        with signals.gossip_received.connected_to(on_gossip):
            redis_corner.say()
            eventually(assert_ended, timeout=5)


def test_the_view_outlives_the_listener(redis_corner: Corner) -> None:
    with redis_corner.listener() as listener:
        redis_corner.say()
        listener.wait(timeout=5)
    assert len(listener.cluster.workers()) == 1


def test_options_are_those_of_the_app_by_default() -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.gossip_exchange = "somewhere"
    assert Listener(app).options.exchange == "somewhere"


def test_options_of_a_django_namespace_hold_before_the_app_was_used() -> None:
    class Settings:
        CELERY_BROKER_URL = "memory://"
        CELERY_GOSSIP_EXCHANGE = "somewhere"

    app = Celery("shop", set_as_current=False)
    app.config_from_object(Settings, namespace="CELERY")
    assert Listener(app).options.exchange == "somewhere"


@pytest.mark.parametrize(
    "url", ["nosuch://user:s3cret@host", "redis://user:s3/cret@host", "redis://user:s3cret@h:port"]
)
def test_a_broker_url_that_nobody_can_use_is_refused_at_once_without_its_password(url: str) -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    with pytest.raises(InvalidOption, match="gossip_broker_url") as refused:
        Listener(app, GossipOptions(broker_url=url))
    assert "cret" not in str(refused.value) and "s3" not in str(refused.value)


# A broker that goes and comes.


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_is_not_there_is_tried_for_ever_and_named_without_its_password(scheme: str) -> None:
    app = Celery("shop", broker=f"{scheme}://user:s3cret@127.0.0.1:{brokers.free_port()}/0", set_as_current=False)
    with Listener(app) as listener:
        with pytest.raises(
            TimeoutError, match=r"^0 of 1 workers reported within 1\.0 s; .*127\.0\.0\.1.* cannot be reached"
        ) as vain:
            listener.wait(timeout=1.0)
        assert "s3cret" not in str(vain.value) and "refused" in str(vain.value)
        assert listener.connected_at is None
        assert listener._thread is not None and listener._thread.is_alive()


def test_a_listener_that_began_before_its_broker_hears_it_in_the_end() -> None:
    broker = brokers.private("redis")
    corner = Corner("redis", broker.url)
    with Listener(corner.app, corner.options) as listener:
        eventually(lambda: assert_failed(listener))
        with brokers.running(broker):
            assert_connected(listener)
            corner.say()
            listener.wait(timeout=5)
            assert listener.error is None


def assert_failed(listener: Listener) -> None:
    assert listener.error is not None and listener.connected_at is None


def test_a_listener_whose_broker_was_restarted_hears_again(private_redis: Any) -> None:
    corner = Corner("redis", private_redis.url)
    with corner.listener() as listener:
        corner.say()
        listener.wait(timeout=5)
        private_redis.kill()
        eventually(lambda: assert_failed(listener))
        private_redis.start()
        assert_connected(listener)
        corner.say(hostname="celery@later")
        listener.wait(workers=2, timeout=5)
    assert corner.leftovers() == []


def test_a_listener_whose_connection_was_cut_hears_again(private_redis: Any) -> None:
    from kombu import Connection

    corner = Corner("redis", private_redis.url)
    with corner.listener() as listener:
        for n in range(3):
            connected_at = listener.connected_at
            with Connection(private_redis.url) as connection:
                connection.default_channel.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            eventually(lambda at=connected_at: assert_connected_since(listener, at))
            corner.say(hostname=f"celery@w{n}")
            listener.wait(workers=n + 1, timeout=5)


def assert_connected_since(listener: Listener, moment: float | None) -> None:
    assert listener.connected_at not in (None, moment)


def test_a_listener_of_a_frozen_broker_closes_in_bounded_time(private_redis: Any) -> None:
    corner = Corner("redis", private_redis.url)
    with corner.listener() as listener:
        private_redis.freeze()
        began = time.monotonic()
        listener.close()
        took = time.monotonic() - began
        private_redis.thaw()
    assert took < 5.5
    assert [thread for thread in threading.enumerate() if thread.name.startswith("celery-gossip")] == []


def test_a_gossip_of_the_step_is_a_gossip_of_the_listener(redis_corner: Corner) -> None:
    sent = a_gossip(seq=7, checks=(a_check("größe", active=("id-1",), active_count=1),))
    with redis_corner.listener() as listener, redis_corner.publisher() as publisher:
        publisher.publish(encode(sent))
        listener.wait(timeout=5)
        assert listener.cluster.workers()[0].gossip == sent
