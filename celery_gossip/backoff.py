"""How long to wait before the gossip broker is asked again. Pure; used by the sender and the listener."""

__all__ = ["BACKOFF_FIRST", "BACKOFF_MOST", "BACKOFF_MOST_REFUSED", "backoff"]

BACKOFF_FIRST = 1.0  #: seconds
#: Seconds. With the second that a try under way still takes, gossip is back 3 s after its broker at most. Being asked
#: once a second, as it is on average, costs a broker about as much as the gossip does.
BACKOFF_MOST = 2.0
BACKOFF_MOST_REFUSED = 30.0  #: seconds; a RabbitMQ that says no opens and closes a connection for each that asks


def backoff(failures: int, chance: float, is_refused: bool = False) -> float:
    """Seconds until the next try after this many failures in a row: full jitter below 1 s, 2 s … the most.

    `chance` is uniform in [0, 1). Source: "Exponential Backoff And Jitter", AWS Architecture Blog.
    """
    most = BACKOFF_MOST_REFUSED if is_refused else BACKOFF_MOST
    return chance * min(most, BACKOFF_FIRST * 2.0 ** min(failures - 1, 16))
