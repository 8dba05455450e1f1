"""Canaries: the undocumented names that the worker side uses exist; and what happens on a release without one."""

import inspect
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import billiard.pool
import billiard.popen_fork
import billiard.process
import pytest
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery import Celery
from celery.concurrency import asynpool, prefork
from celery.concurrency.base import BasePool
from celery.concurrency.thread import ApplyResult as ThreadResult
from celery.exceptions import WorkerLostError
from celery.utils.serialization import UnpickleableExceptionWrapper
from celery.utils.timer2 import Timer as TimerThread
from celery.worker import WorkController
from celery.worker import consumer as worker_consumer
from celery.worker import state as worker_state
from celery.worker.components import Pool
from celery.worker.request import Request
from kombu import Connection, Consumer, Exchange, Queue
from kombu.asynchronous.timer import Timer
from kombu.common import QoS
from kombu.transport.virtual import Channel
from kombu.utils.limits import TokenBucket

from celery_gossip.worker import _compat as compat
from celery_gossip.worker import task_outcome
from celery_gossip.worker.instrumentation import RequestInstrumentation
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.probe import Probe
from celery_gossip.worker.task_outcome import TaskOutcome
from tests.unit.fakes import FakeEntry, FakeRequest, a_consumer, a_pool

TABLE = Path(__file__).parents[3] / "docs" / "reference" / "compatibility.md"
PATHS = [internal.path for internal in compat.INTERNALS]
CANARIES: dict[str, Callable[[], bool]] = {}
#: Names that not every supported release of Celery has.
NEWER = {
    "celery.worker:WorkController.wait_for_soft_shutdown",  # 5.5
    "celery.worker.consumer:Consumer.cancel_active_requests",  # 5.6; `cancel_all_unacked_requests` in 5.5
}


def canary(*paths: str) -> Callable[[Callable[[], bool]], Callable[[], bool]]:
    """Register the check of names that importing alone cannot check, such as attributes set in __init__()."""

    def register(check: Callable[[], bool]) -> Callable[[], bool]:
        CANARIES.update(dict.fromkeys(paths, check))
        return check

    return register


def exists(path: str) -> bool:
    """Return True if this name, or this attribute of a class, exists after importing the module."""
    owner, _, attribute = path.partition(":")[2].partition(".")
    owner_path = f"{path.partition(':')[0]}:{owner}"
    return not compat.missing([owner_path]) and (not attribute or hasattr(compat.find(owner_path), attribute))


@pytest.mark.parametrize("path", PATHS)
def test_the_installed_release_has(path: str) -> None:
    if path in NEWER and not exists(path):
        pytest.skip("this release of Celery does not have it")
    assert CANARIES.get(path, lambda: exists(path))()


def test_a_canary_is_for_a_name_of_the_table_and_notices_an_unknown_one() -> None:
    assert CANARIES.keys() <= set(PATHS)
    assert len(PATHS) == len(set(PATHS))
    assert not exists("celery.bootsteps:NO_SUCH") and not exists("celery.bootsteps:Blueprint.no_such")
    assert not exists("celery.no_such_module:Name")


def test_the_documentation_has_a_row_for_each_name() -> None:
    rows = [f"| `{one.path}` | {one.purpose} | {one.without} |" for one in compat.INTERNALS]
    section = TABLE.read_text().partition("### Celery, Kombu and billiard, in the worker\n")[2].partition("\n#")[0]
    assert [row for row in section.splitlines() if row.startswith("| `")] == rows


def source_has(owner: Any, *texts: str) -> bool:
    source = inspect.getsource(owner)
    return all(text in source for text in texts)


@contextmanager
def a_connection() -> Iterator[Any]:
    with Connection("memory://") as connection:
        yield connection


@canary(
    "billiard.process:BaseProcess._popen",
    "billiard.process:BaseProcess._controlled_termination",
    "billiard.process:BaseProcess._job_terminated",
    "billiard.popen_fork:Popen.returncode",
    "billiard.pool:Pool.process_flush_queues",
    "billiard.pool:Pool._timeout_handler",
    "billiard.pool:TimeoutHandler._trywaitkill",
)
def processes_of_a_pool_have_their_end() -> bool:
    process = billiard.process.BaseProcess()
    return (
        process._popen is None
        and process._controlled_termination is False
        and source_has(billiard.popen_fork.Popen, "self.returncode = None", "self.pid = os.fork()")
        and source_has(billiard.pool.Pool.terminate_job, "proc._job_terminated = True")
        and source_has(billiard.pool.Pool._join_exited_workers, "self.process_flush_queues(worker)")
        and source_has(billiard.pool.Pool.__init__, "self._timeout_handler = self.TimeoutHandler(")
        and source_has(billiard.pool.TimeoutHandler.on_hard_timeout, "self._trywaitkill(process)")
        and billiard.pool.EX_RECYCLE == 0x9B
    )


@canary("celery.bootsteps:Blueprint.state")
def a_blueprint_has_its_state() -> bool:
    from celery.bootsteps import Blueprint

    return hasattr(Blueprint(), "state")


@canary("kombu.asynchronous.timer:Timer._queue", "celery.utils.timer2:Timer.schedule")
def a_timer_has_its_raw_queue() -> bool:
    timers = [made() for made in (Timer, TimerThread)]
    entries = [made.call_after(60, print, ("held",)) for made in timers]
    return [[one.entry for one in made.schedule._queue] for made in timers] == [[entry] for entry in entries]


@canary(*(f"kombu.asynchronous.timer:Entry.{name}" for name in ("args", "fun", "canceled")))
def an_entry_has_its_function_arguments_and_flag() -> bool:
    entry = Timer().call_after(60, print, ("held",))
    return (entry.fun, entry.args, entry.canceled) == (print, ("held",), False)


@canary("kombu.utils.limits:TokenBucket.contents")
def a_bucket_has_its_contents() -> bool:
    bucket = TokenBucket(1.0)
    bucket.add(("request", 1))
    return compat.bucket_requests(bucket) == ["request"]


@canary("celery.worker.consumer:Consumer._schedule_bucket_request")
def a_bucket_is_scheduled_with_the_bucket_as_argument() -> bool:
    return source_has(worker_consumer.Consumer, "_schedule_bucket_request", "self.timer.call_after", "(bucket,)")


@canary("celery.worker.consumer:Consumer.task_buckets", "celery.worker.consumer:Consumer.strategies")
def a_consumer_has_its_rate_limits_and_strategies() -> bool:
    return source_has(worker_consumer.Consumer.__init__, "self.task_buckets =") and source_has(
        worker_consumer.Consumer, "strategies"
    )


@canary(
    *(
        f"celery.worker:WorkController.{name}"
        for name in (
            "time_limit",
            "soft_time_limit",
            "prefetch_multiplier",
            "max_tasks_per_child",
            "max_memory_per_child",
            "task_events",
        )
    )
)
def a_worker_has_the_options_in_force() -> bool:
    return source_has(
        WorkController.setup_defaults,
        "self.time_limit =",
        "self.soft_time_limit =",
        "self.prefetch_multiplier =",
        "self.max_tasks_per_child =",
        "self.max_memory_per_child =",
        "self.task_events =",
    )


@canary("celery.worker:WorkController.autoscale")
def a_worker_has_the_limits_of_its_pool() -> bool:
    return source_has(Pool.__init__, "w.autoscale = autoscale", "w.max_concurrency, w.min_concurrency = w.autoscale")


@canary("kombu.common:QoS.value")
def a_quality_of_service_has_its_value() -> bool:
    return compat.prefetch_count(SimpleNamespace(qos=QoS(lambda **_: None, 7))) == 7


@canary("kombu.messaging:Consumer._active_tags")
def a_consumer_of_kombu_has_its_active_tags() -> bool:
    with a_connection() as connection, Consumer(connection, [Queue("mail")]) as consumer:
        ((queue, tag),) = compat.tags_by_queue(consumer)
        return queue == "mail" and bool(tag)


@canary("celery.app.amqp:Queues.consume_from")
def an_app_has_the_queues_that_it_consumes() -> bool:
    app = Celery("shop", broker="memory://", set_as_current=False)
    queues = compat.queues_to_consume(a_consumer(app=app, task_consumer=None))
    return [queue.name for queue in queues] == [app.conf.task_default_queue]


@canary(
    "kombu.abstract:MaybeChannelBound._channel",
    "kombu.transport.virtual:Channel.exchange_types",
    "kombu.transport.virtual.exchange:TopicExchange.key_to_pattern",
    "kombu.transport.virtual.exchange:TopicExchange._match",
)
def a_queue_of_a_virtual_transport_has_a_topic_rule() -> bool:
    with a_connection() as connection:
        channel = connection.channel()
        rule = compat.topic_rule_of(Queue("mail", Exchange("topics", "topic"), channel=channel))
        return isinstance(channel, Channel) and rule is not None and bool(rule("a.*", "a.b")) and not rule("a.*", "b.b")


@canary("celery.concurrency.prefork:TaskPool._pool")
def a_pool_of_prefork_has_its_processes() -> bool:
    return source_has(prefork.TaskPool.on_start, "self._pool")


@canary(
    "celery.concurrency.asynpool:AsynPool._fileno_to_inq", "celery.concurrency.asynpool:AsynPool._proc_alive_timeout"
)
def an_asynchronous_pool_registers_the_processes_that_are_ready() -> bool:
    return source_has(asynpool.AsynPool.on_process_alive, "self._fileno_to_inq[proc.inqW_fd] = proc") and source_has(
        asynpool.AsynPool.__init__, "self._proc_alive_timeout"
    )


@canary("billiard.pool:Pool._pool")
def a_pool_of_billiard_has_a_list_of_processes() -> bool:
    return source_has(billiard.pool.Pool.__init__, "self._pool = []")


@canary("billiard.pool:ApplyResult._success", "billiard.pool:ApplyResult._value")
def a_result_of_billiard_has_its_success_and_value() -> bool:
    result = billiard.pool.ApplyResult({}, None)
    before = compat.has_returned(result)
    result._set(0, (True, "value"))
    return not before and (result._success, result._value) == (True, "value") and compat.has_returned(result)


@canary("celery.concurrency.thread:ApplyResult.f")
def a_result_of_a_thread_has_its_future() -> bool:
    with ThreadPoolExecutor(1) as executor:
        result = ThreadResult(executor.submit(int))
        result.f.result()
        return compat.has_returned(result)


@canary(*(f"celery.worker.request:Request.{name}" for name in ("message", "task", "eta", "_on_ack", "_apply_result")))
def a_request_has_its_message_task_eta_promise_and_result() -> bool:
    app = Celery("shop", set_as_current=False)
    task = app.task(work, name="shop.work", shared=False)
    message = SimpleNamespace(
        headers={"id": "1", "task": "shop.work", "eta": "2030-01-01T00:00:00+00:00"},
        body=b"[[], {}, {}]",
        payload=[[], {}, {}],
        content_type="application/json",
        content_encoding="utf-8",
        delivery_info={},
        properties={},
    )
    request = Request(message, on_ack=work, app=app, task=task)
    return (request.message, request.task, request.eta.year, request._on_ack, request._apply_result) == (
        message,
        task,
        2030,
        work,
        None,
    )


@canary(*(f"billiard.einfo:ExceptionInfo.{name}" for name in ("exception", "type")))
def information_on_an_exception_has_it_and_its_type() -> bool:
    try:
        raise KeyError("x")
    except KeyError:
        info = ExceptionInfo()
    return info.type is KeyError and info.exception is not None


@canary("billiard.einfo:ExceptionWithTraceback.exc")
def an_exception_of_a_process_has_the_original() -> bool:
    error = KeyError("x")
    return ExceptionWithTraceback(error, None).exc is error


@canary("celery.utils.serialization:UnpickleableExceptionWrapper.exc_cls_name")
def a_wrapped_exception_has_the_name_of_its_class() -> bool:
    return UnpickleableExceptionWrapper("shop", "Mishap", ()).exc_cls_name == "Mishap"


@canary("celery.worker:WorkController.wait_for_soft_shutdown")
def a_worker_has_the_wait_of_a_soft_shutdown() -> bool:
    return source_has(WorkController.wait_for_soft_shutdown, "sleep")


@canary("celery.bin.worker:worker")
def the_celery_program_has_the_command_of_the_worker() -> bool:
    return exists("celery.bin.worker:worker") and compat.worker_command() is compat.find("celery.bin.worker:worker")


@canary("celery.concurrency.base:BasePool.is_green")
def a_pool_of_greenlets_says_so() -> bool:
    return BasePool.is_green is False and all(
        "is_green = True" in Path(os.path.dirname(prefork.__file__), f"{name}.py").read_text()
        for name in ("eventlet", "gevent")
    )


@pytest.mark.parametrize("path", compat.ESSENTIAL)
def test_a_name_without_which_there_is_nothing_to_report_is_found_missing(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(path.replace(":", "."))
    assert compat.missing() == [path]
    with pytest.raises(compat.MissingName, match=path):
        compat.requests_in(path.partition(":")[2])


# One value is lost, and the rest is reported.


def reading_without(path: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    consumer = a_consumer("default", task_buckets={"nap": a_bucket(FakeRequest())})
    consumer.timer.wait_for_eta(FakeRequest(exchange="", routing_key="default"))
    worker_state.all_total_count[0] = 5
    monkeypatch.delattr(path)
    return Probe(consumer, 100).read()


def a_bucket(*requests: Any) -> TokenBucket:
    bucket = TokenBucket(1.0)
    for request in requests:
        bucket.add((request, 1))
    return bucket


@pytest.mark.parametrize("name", ["CLOSE", "TERMINATE"])
def test_without_the_states_of_a_blueprint_a_shutdown_is_known_by_its_flag(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(f"celery.bootsteps.{name}")
    probe = Probe(a_consumer("default", controller=SimpleNamespace(blueprint=SimpleNamespace(state=1))), 100)
    assert not probe.is_shutting_down
    monkeypatch.setattr(worker_state, "should_stop", 0)
    assert probe.is_shutting_down


def test_a_blueprint_without_a_state_does_not_shut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("celery.bootsteps.CLOSE")
    assert not compat.is_shutting_down(a_consumer("default"))


def test_without_the_class_of_requests_scheduled_is_0_and_the_rest_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = reading_without("celery.worker.request.Request", monkeypatch)
    assert (reading.scheduled, reading.limited, reading.processed, len(reading.checks)) == (0, 1, 5, 1)
    assert [type(failure) for failure in reading.failures] == [compat.MissingName]


def test_without_the_count_of_tasks_the_rest_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = reading_without("celery.worker.state.all_total_count", monkeypatch)
    assert (reading.scheduled, reading.limited, reading.processed) == (1, 1, 0)
    assert len(reading.failures) == 1


def test_without_the_aliases_celerys_own_pools_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("celery.concurrency.ALIASES")
    assert [compat.pool_name(a_pool(name)) for name in ("prefork", "thread", "solo")] == ["prefork", "threads", "solo"]


def test_a_timer_without_its_raw_queue_is_read_by_its_sorted_copy() -> None:
    request = FakeRequest()
    entry = FakeEntry(lambda *_: None, (request,), 1.0)
    timer = SimpleNamespace(schedule=SimpleNamespace(queue=[SimpleNamespace(entry=entry)]))
    assert compat.timer_contents(timer).requests == (request,)


@pytest.mark.parametrize("gone", ["timer", "qos", "task_buckets", "pool"])
def test_a_part_of_the_worker_that_is_missing_costs_what_is_read_from_it(gone: str) -> None:
    consumer = a_consumer("default", task_buckets={"nap": a_bucket(FakeRequest())})
    consumer.timer.wait_for_eta(FakeRequest(exchange="", routing_key="default"))
    delattr(consumer, gone)
    reading = Probe(consumer, 100).read()
    assert [check.queue for check in reading.checks] == ["default"]
    assert (reading.scheduled, reading.limited) == (int(gone != "timer"), int(gone != "task_buckets"))
    assert (reading.prefetch_count, reading.concurrency) == (None if gone == "qos" else 16, 0 if gone == "pool" else 4)


def test_a_bucket_that_cannot_be_read_costs_itself() -> None:
    buckets = {"odd": SimpleNamespace(), "nap": a_bucket(FakeRequest())}
    reading = Probe(a_consumer("default", task_buckets=buckets), 100).read()
    assert reading.limited == 1 and len(reading.failures) == 1


# Results of cancelled tasks, and failures.


def billiards_result(**attributes: Any) -> Any:
    return SimpleNamespace(ready=lambda: True, **attributes)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (billiards_result(_value=(False, "done", 1.0)), True),
        (billiards_result(_value=SimpleNamespace(exception=WorkerLostError())), False),
        (billiards_result(_success=False), True),
        (billiards_result(), True),
        (SimpleNamespace(get=None), False),
    ],
    ids=["no _success", "no _success of a lost process", "no _value", "neither", "no future"],
)
def test_a_result_without_an_attribute_is_judged_by_the_others(result: Any, expected: bool) -> None:
    assert compat.has_returned(result) is expected


def test_a_request_without_its_state_counts_as_acknowledged_and_is_not_sorted() -> None:
    request = SimpleNamespace()
    assert compat.result_of(request) is None and compat.is_acknowledged(request)
    assert compat.time_started(request) == float("inf")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_INFO", {"KeyError": 1}),
        ("_WITH_TRACEBACK", {"ExceptionWithTraceback": 1}),
        ("_WRAPPER", {"KeyError": 1}),
    ],
)
def test_a_failure_is_counted_without_a_class_of_billiard_or_celery(
    name: str, expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_outcome, name, ())
    meter = Meter()
    outcome = TaskOutcome(RequestInstrumentation(meter, lambda request: "mail"))
    outcome.series = meter.get_series("mail", "send")
    error = KeyError("x")
    outcome.on_result((True, SimpleNamespace(exception=ExceptionWithTraceback(error, None), type=KeyError), None))
    assert meter.collect().series[0].failed == expected


# Paths.


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/run/%n.health", "/run/mail.health"), ("%h", "mail@web1.shop"), ("%d", "shop"), ("100%%", "100%"), ("x", "x")],
)
@pytest.mark.parametrize("has_celerys", [True, False])
def test_a_path_is_expanded_with_and_without_celerys_function(
    path: str, expected: str, has_celerys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_celerys:
        monkeypatch.delattr("celery.utils.nodenames.node_format")
    else:
        expected = str(compat.find("celery.utils.nodenames:node_format")(path, "mail@web1.shop"))
    assert compat.expand_node_format(path, "mail@web1.shop") == expected


@pytest.mark.parametrize("path", ["%z", "x%"])
def test_a_format_that_is_not_known_is_a_value_error(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("celery.utils.nodenames.node_format")
    with pytest.raises(ValueError, match="format"):
        compat.expand_node_format(path, "mail@web1")


def test_a_custom_strategy_is_recognized() -> None:
    app = Celery("shop", set_as_current=False)
    assert not compat.has_custom_strategy(app.task(work, name="shop.plain", shared=False))
    assert compat.has_custom_strategy(app.task(work, name="shop.own", shared=False, Strategy="shop:strategy"))


def work() -> None:
    """Do nothing."""
