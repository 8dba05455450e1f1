"""Every hook of the product inside a worker, and the classes of exceptions that it is made to raise.

Read by the test and, in the worker, by tests.support.saboteur.
"""

from dataclasses import dataclass

__all__ = ["CLASSES", "HOOKS", "Hook"]

#: What Celery's hub, Kombu and billiard treat in different ways, and what code gets wrong.
CLASSES = (
    "ValueError",
    "KeyError",
    "AttributeError",
    "OSError",
    "ConnectionError",
    "TimeoutError",
    "AssertionError",
    "MemoryError",
    "RecursionError",
    "UnicodeDecodeError",
    "StopIteration",
    "OperationalError",
)


@dataclass(frozen=True)
class Hook:
    """Where our code runs on somebody else's thread, or on our own."""

    name: str
    place: str  #: `module:attribute` within celery_gossip, to be called there; empty: the saboteur knows
    when: str = "always"  #: or start, end
    is_in_child: bool = False  #: with a prefork pool
    is_alone: bool = False  #: once it has raised, others of its kind are not called


#: Those of the start and of the end in the order in which they are called.
HOOKS = (
    # The step's hooks, as Celery's blueprint calls them.
    Hook("init, the options", "worker.bootstep:resolve", "start", is_alone=True),
    Hook("init, the broker", "worker.bootstep:open_broker", "start", is_alone=True),
    Hook("init, the publisher", "worker.components:Publisher", "start", is_alone=True),
    Hook("init, the health file", "worker.components:open_health_file", "start", is_alone=True),
    Hook("init, the instrumentation", "worker.instrumentation:RequestInstrumentation.attach", "start", is_alone=True),
    Hook("celeryd_init, worker_bootsteps", "worker.bootsteps_setting:_load", "start"),
    Hook("a receiver of gossip_init", "", "start"),
    Hook("a strategy is built", "worker.instrumentation:_counted_cls", "start"),
    Hook("start, the probe", "worker.reporter:Reporter.on_consumer_start", "start"),
    Hook("start, the sender tries again", "worker.sender:Sender.retry_now", "start"),
    Hook("start, the thread", "worker.sender:Sender.start", "start"),
    Hook("close, the health file", "worker.liveness:LivenessReporter.stop", "end"),
    Hook("close", "worker.reporter:Reporter.probe_draining", "end"),
    Hook("stop", "worker.reporter:Reporter.remember_tags", "end"),
    Hook("shutdown, the instrumentation", "worker.instrumentation:RequestInstrumentation.close", "end"),
    Hook("shutdown, the final report", "worker.reporter:Reporter.probe_offline", "end"),
    Hook("shutdown, the connection is closed", "transport.publisher:Publisher.close", "end"),
    Hook("shutdown, the end of the sender", "worker.sender:Sender.stop", "end", is_alone=True),
    Hook("info (inspect stats)", "worker.bootstep:as_dict"),
    # A round on the event loop.
    Hook("round", "worker.bootstep:GossipStep._report"),
    Hook("round, the timer", ""),
    Hook("round, the reporter", "worker.reporter:Reporter.probe_from_loop"),
    Hook("round, the probe", "worker.probe:Probe.read"),
    Hook("round, a check of the probe", "worker.probe:Probe._check"),
    Hook("round, the tags of the probe", "worker.probe:Probe.remember_tags"),
    Hook("round, the events of the sender", "worker.bootstep:GossipStep._report_sender_events"),
    Hook("round, the gossip is submitted", "worker.sender:Sender.submit"),
    Hook("round, the liveness", "worker.liveness:LivenessReporter.update"),
    Hook("round, the health file", "health:HealthFile._write"),
    Hook("a receiver of gossip_start", ""),
    Hook("a receiver of gossip_stop", ""),
    Hook("a receiver of gossip_exception", ""),
    Hook("a logging handler", ""),
    # The sender's thread.
    Hook("sender, a unit of work", "worker.sender:Sender._run_once"),
    Hook("sender, the wait for work", "worker.sender:Sender._time_to_wait"),
    Hook("sender, a probe of its own", "worker.reporter:Reporter.probe_from_thread"),
    Hook("sender, the counts", "worker.metrics:Meter.collect"),
    Hook("sender, the encoding", "worker.delivery:encode_bounded"),
    Hook("sender, the publish", "transport.publisher:Publisher.publish"),
    Hook("sender, the counts that were sent", "worker.metrics:Meter.commit"),
    Hook("sender, what a failure means", "transport.publisher:Publisher.is_outage"),
    Hook("sender, the end of a connection", "transport.publisher:Publisher.fail_over"),
    # Celery's requests, counted.
    Hook("task, its queue", "worker.probe:Probe.queue_of"),
    Hook("task, its series", "worker.metrics:Meter.get_series"),
    Hook("task, its due time", "worker.instrumentation:sent_at"),
    Hook("task received", "worker.metrics:Series.count_received"),
    Hook("task accepted", "worker.metrics:Series.count_started"),
    Hook("task ended", "worker.metrics:Series.count_ended"),
    Hook("task failed", "worker.task_outcome:_name_of"),
    Hook("task sent (before_task_publish)", "", is_in_child=True),
    # Remote control.
    Hook("inspect gossip", "wire.messages:as_dict"),
)
