"""Decodes a received message, applies it to the cluster, and sends the events that follow from it.

Owned by a Listener, called by its ReceiveLoop on the listener's thread.
"""

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.errors import RejectedGossip
from celery_gossip.listener.echo import EchoSender
from celery_gossip.listener.events import EventDispatcher
from celery_gossip.listener.rejections import Rejections
from celery_gossip.wire.messages import Beat, Echo, Gossip, decode
from celery_gossip.wire.signing import Delivery

__all__ = ["MessageHandler"]


class MessageHandler:
    """Handles the messages of one start of a listener."""

    def __init__(self, cluster: Cluster, echo: EchoSender, rejections: Rejections, events: EventDispatcher) -> None:
        self._cluster = cluster
        self._echo = echo
        self._rejections = rejections
        self._events = events

    def handle(self, received: Delivery | RejectedGossip, now: float) -> None:
        """Apply a report of a worker, a beat or a sender, pass on an echo, or count a rejection."""
        try:
            if isinstance(received, RejectedGossip):
                raise received
            message = decode(received.body)
            if isinstance(message, Echo):
                if received.is_verified is not False:
                    self._apply_echo(message, now)
                return
            if isinstance(message, Beat):
                self._apply_beat(message, received, now)
                return
            self._apply(message, received, now)
        except RejectedGossip as exc:
            self._rejections.add(exc, now)
            self._events.emit("gossip_rejected", exc.reason)

    def note_throttled(self, count: int, hostname: str) -> None:
        """Count messages that the throttle dropped, most of them from this hostname."""
        self._rejections.add_throttled(count, hostname)

    def _apply_echo(self, echo: Echo, now: float) -> None:
        if echo.sent is None:
            self._echo.handle_echo(echo, now)
        else:
            self._cluster.apply_sent(echo, now)

    def _apply_beat(self, beat: Beat, delivery: Delivery, now: float) -> None:
        """Apply a report of a beat process. Raises RejectedGossip if the cluster does not trust its sender."""
        transitions = self._cluster.apply_beat(beat, now, is_verified=delivery.is_verified)
        self._events.emit_transitions(transitions)

    def _apply(self, gossip: Gossip, delivery: Delivery, now: float) -> None:
        """Apply a gossip to the cluster. Raises RejectedGossip if the cluster does not trust its sender."""
        size, is_verified = len(delivery.body), delivery.is_verified
        transitions = self._cluster.apply_gossip(gossip, now, is_verified=is_verified, size=size)
        self._events.emit("gossip_received", gossip)
        self._events.emit_transitions(transitions)
