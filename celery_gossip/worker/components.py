"""Components of the gossip in one worker, and how they are connected. Built by the step, on the main thread."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery_gossip.options import GossipOptions
from celery_gossip.transport.broker import Broker
from celery_gossip.transport.publisher import Publisher
from celery_gossip.wire.messages import Gossip
from celery_gossip.worker.cold_shutdown import ShutdownWatch
from celery_gossip.worker.failure_log import FailureLog
from celery_gossip.worker.held_messages import HeldMessages
from celery_gossip.worker.instrumentation import RequestInstrumentation
from celery_gossip.worker.liveness import LivenessReporter, open_health_file
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.probe import Probe
from celery_gossip.worker.profile import ProfileReport
from celery_gossip.worker.reporter import Reporter, WorkerIdentity
from celery_gossip.worker.resource_reader import ResourceReader
from celery_gossip.worker.sender import Sender
from celery_gossip.worker.software import SoftwareReport, find_visibility_timeout
from celery_gossip.worker.stack_sampler import StackSampler
from celery_gossip.worker.supplement import Supplement
from celery_gossip.worker.tick_timer import TickTimer

__all__ = ["WorkerComponents", "build_components"]


@dataclass(frozen=True)
class WorkerComponents:
    """The parts of the gossip in one worker."""

    identity: WorkerIdentity
    probe: Probe  #: reads the worker
    reporter: Reporter  #: composes gossip
    publisher: Publisher  #: sends it, on the sender thread
    sender: Sender
    ticks: TickTimer
    instrumentation: RequestInstrumentation  #: counts tasks
    liveness: LivenessReporter  #: writes the health file
    shutdown_watch: ShutdownWatch
    software: SoftwareReport  #: release, versions, registered tasks and settings
    profile: ProfileReport  #: process, configuration and names of the tasks


def build_components(
    consumer: Any,
    options: GossipOptions,
    broker: Broker,
    on_tick: Callable[[float], None],
    on_timer_error: Callable[[Exception], None],
) -> WorkerComponents:
    """Build and connect the components of this consumer's worker; nothing is started.

    Raises InvalidOption if the health file cannot be written, and what the broker's transport raises.
    """
    meter = Meter()
    identity = WorkerIdentity.create(consumer.app, consumer.hostname, options.interval)
    probe = Probe(consumer, options.active_limit)
    reporter = Reporter(identity, probe, stacks=StackSampler(is_enabled=options.stacks == "stalled"))
    health_file = open_health_file(options.health_file, consumer.hostname)
    publisher = Publisher(broker, wants_answer=health_file is not None)
    ticks = TickTimer(consumer.timer, options.interval, on_tick, on_timer_error)

    def probe_from_thread() -> Gossip | None:
        ticks.restore()
        return reporter.probe_from_thread()

    software = SoftwareReport(consumer, options.release)
    profile = ProfileReport(consumer, software, options)
    held = HeldMessages(consumer, probe.queue_of, find_visibility_timeout(consumer))
    sender = Sender(publisher, probe_from_thread, options.interval, meter=meter)
    failures = FailureLog(options.failure_details)
    sender.add_supplement(Supplement(software, held, failures, profile))
    instrumentation = RequestInstrumentation(meter, probe.queue_of, failures)
    instrumentation.notes_receipt = held.is_enabled
    sender.report_resources(ResourceReader(lambda: consumer.pool).read)
    components = WorkerComponents(
        identity=identity,
        probe=probe,
        reporter=reporter,
        publisher=publisher,
        sender=sender,
        ticks=ticks,
        instrumentation=instrumentation,
        liveness=LivenessReporter(
            health_file,
            probe,
            lambda: broker.is_task_broker and sender.is_broker_unconfirmed,
            is_pool_dead=lambda: reporter.is_pool_dead,
        ),
        shutdown_watch=ShutdownWatch(reporter.start_draining),
        software=software,
        profile=profile,
    )
    components.shutdown_watch.attach(consumer)
    components.instrumentation.attach(consumer.pool, consumer)
    return components
