"""The errors of queue gossip: one root, kinds that also derive from the built-in that a caller would catch."""

__all__ = ["GossipError", "InvalidOption", "OversizedGossip", "RejectedGossip", "UnsupportedTransport", "UnusableURL"]

_MOST_TEXT = 300  #: characters of what is told of a message: a stranger may have written all of it


class GossipError(Exception):
    """Something went wrong in celery-gossip."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0])


class InvalidOption(GossipError, ValueError):
    """An option of queue gossip has an unknown name or a value that it cannot take."""


class OversizedGossip(GossipError, ValueError):
    """A gossip is larger than a message may be."""


class RejectedGossip(GossipError, ValueError):
    """A message on the gossip exchange is not a gossip.

    `reason` is one of `celery_gossip.messages.REASONS`, safe as a metric's label; the text is for people.
    """

    def __init__(self, reason: str, message: str | None = None) -> None:
        super().__init__(f"{reason}: {message[:_MOST_TEXT]}" if message else reason)
        self.reason = reason


class UnusableURL(GossipError, ValueError):
    """A broker's URL cannot be used. Neither the text nor a chained exception holds any part of its password."""


class UnsupportedTransport(GossipError, RuntimeError):
    """The broker's transport cannot fan messages out."""
