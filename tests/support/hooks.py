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
    Hook("init, the options", "step:resolve", "start", is_alone=True),
    Hook("init, the broker", "step:open_broker", "start", is_alone=True),
    Hook("init, the publisher", "step:Publisher", "start", is_alone=True),
    Hook("init, the health file", "step:open_health_file", "start", is_alone=True),
    Hook("init, the tap", "tap:Tap.open", "start", is_alone=True),
    Hook("celeryd_init, worker_bootsteps", "autoload:_load", "start"),
    Hook("a receiver of gossip_init", "", "start"),
    Hook("a strategy is built", "tap:_counted", "start"),
    Hook("start, the probe", "reporter:Reporter.restart", "start"),
    Hook("start, the sender is poked", "sender:Sender.poke", "start"),
    Hook("start, the thread", "sender:Sender.start", "start"),
    Hook("close, the pulse", "pulse:Pulse.end", "end"),
    Hook("close", "reporter:Reporter.drain", "end"),
    Hook("stop", "reporter:Reporter.remember_tags", "end"),
    Hook("shutdown, the tap", "tap:Tap.close", "end"),
    Hook("shutdown, the last word", "reporter:Reporter.last_word", "end"),
    Hook("shutdown, the goodbye to the broker", "exchange:Publisher.close", "end"),
    Hook("shutdown, the end of the sender", "sender:Sender.finish", "end", is_alone=True),
    Hook("info (inspect stats)", "step:as_dict"),
    # A round on the event loop.
    Hook("round", "step:GossipStep._round"),
    Hook("round, the timer", ""),
    Hook("round, the reporter", "reporter:Reporter.tick"),
    Hook("round, the probe", "probe:Probe.read"),
    Hook("round, a check of the probe", "probe:Probe._check"),
    Hook("round, the tags of the probe", "probe:Probe.remember_tags"),
    Hook("round, the notices", "step:GossipStep._relay"),
    Hook("round, the slot", "sender:Sender.submit"),
    Hook("round, the pulse", "pulse:Pulse.beat"),
    Hook("round, the health file", "health:HealthFile._write"),
    Hook("a receiver of gossip_start", ""),
    Hook("a receiver of gossip_stop", ""),
    Hook("a receiver of gossip_exception", ""),
    Hook("a logging handler", ""),
    # The sender's thread.
    Hook("sender, its turn", "sender:Sender._turn"),
    Hook("sender, the wait for its turn", "sender:Sender._time_to_wait"),
    Hook("sender, a probe of its own", "reporter:Reporter.speak_up"),
    Hook("sender, the figures", "metrics:Meter.tell"),
    Hook("sender, the encoding", "sender:fitted"),
    Hook("sender, the publish", "exchange:Publisher.publish"),
    Hook("sender, the figures that were sent", "metrics:Meter.commit"),
    Hook("sender, what a failure means", "exchange:Publisher.is_outage"),
    Hook("sender, the end of a connection", "exchange:Publisher.drop"),
    # Celery's requests, counted.
    Hook("task, its queue", "probe:Probe.queue_of"),
    Hook("task, its series", "metrics:Meter.series_of"),
    Hook("task, its due time", "tap:due_at"),
    Hook("task received", "metrics:Series.receive"),
    Hook("task accepted", "metrics:Series.start"),
    Hook("task ended", "metrics:Series.end"),
    Hook("task failed", "tap:_kind_of"),
    Hook("task sent (before_task_publish)", "", is_in_child=True),
    # Remote control.
    Hook("inspect gossip", "messages:as_dict"),
)
