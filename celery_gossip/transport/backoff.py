"""Delays between attempts to reach the gossip broker. Pure; used by the sender and the listener."""

__all__ = ["BACKOFF_FIRST", "BACKOFF_MAX", "BACKOFF_MAX_REFUSED", "backoff"]

BACKOFF_FIRST = 1.0  #: seconds
#: Seconds. With the second that an attempt may take, gossip is back within 3 s of its broker. An attempt per second,
#: the average, costs a broker about as much as the gossip itself.
BACKOFF_MAX = 2.0
BACKOFF_MAX_REFUSED = 30.0  #: seconds; a RabbitMQ that refuses opens and closes a connection for each attempt


def backoff(failures: int, chance: float, is_refused: bool = False) -> float:
    """Return the seconds until the next attempt after this many failures in a row: full jitter below 1 s, 2 s … max.

    `chance` is uniform in [0, 1). Source: "Exponential Backoff And Jitter", AWS Architecture Blog.
    """
    most = BACKOFF_MAX_REFUSED if is_refused else BACKOFF_MAX
    return chance * min(most, BACKOFF_FIRST * 2.0 ** min(failures - 1, 16))
