"""The errors of celery-gossip: one root, and kinds that also derive from the built-in that a caller would catch."""

__all__ = [
    "BrokerUnreachable",
    "GossipError",
    "InvalidOption",
    "NotRunning",
    "OversizedGossip",
    "RejectedGossip",
    "UnknownEvent",
    "UnsupportedTransport",
    "UnusableURL",
    "WaitTimeout",
    "is_greenlet_exit",
]

_MAX_TEXT = 300  #: characters quoted of a rejected message, whose sender is unknown


class GossipError(Exception):
    """Something went wrong in celery-gossip."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0])


class BrokerUnreachable(GossipError, ConnectionError):
    """The broker cannot be reached, or delivers no messages: nothing is known of the workers."""


class InvalidOption(GossipError, ValueError):
    """An option or argument of celery-gossip has an unknown name or an invalid value."""


class NotRunning(GossipError, RuntimeError):
    """The listener does not run: it was not started, was closed, or its thread has ended."""


class OversizedGossip(GossipError, ValueError):
    """A gossip is larger than a message may be."""


class RejectedGossip(GossipError, ValueError):
    """A message on the gossip exchange is not a valid gossip.

    `reason` is one of `celery_gossip.wire.messages.REASONS`, safe as a metric's label; the text is for people.
    """

    def __init__(self, reason: str, message: str | None = None) -> None:
        super().__init__(f"{reason}: {message[:_MAX_TEXT]}" if message else reason)
        self.reason = reason


class UnknownEvent(GossipError, ValueError):
    """A listener sends no event of this name."""


class UnsupportedTransport(GossipError, RuntimeError):
    """The broker's transport has no fanout exchanges."""


class UnusableURL(GossipError, ValueError):
    """A broker's URL cannot be used. Neither the text nor a chained exception contains any part of its password."""


class WaitTimeout(GossipError, TimeoutError):
    """The workers, queues or hostnames that Listener.wait() waits for did not report in time."""


def is_greenlet_exit(exc: BaseException) -> bool:
    """Return True if a greenlet is being killed: gevent and eventlet wait until it has ended."""
    return any(kind.__name__ == "GreenletExit" for kind in type(exc).__mro__)
