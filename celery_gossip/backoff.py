"""How long to wait before the gossip broker is asked again. Pure; used by the sender and the listener."""

__all__ = ["BACKOFF_FIRST", "BACKOFF_MOST", "BACKOFF_MOST_REFUSED", "backoff"]

BACKOFF_FIRST = 1.0  #: seconds
BACKOFF_MOST = 3.0  #: seconds; a broker that is not there costs nothing to ask, and it is heard soon when it returns
BACKOFF_MOST_REFUSED = 30.0  #: seconds; one that says no to a thousand workers must not be asked at every turn


def backoff(failures: int, chance: float, is_refused: bool = False) -> float:
    """Seconds until the next try after this many failures in a row: full jitter below 1 s, 2 s, and the most.

    `chance` is uniform in [0, 1). Source: "Exponential Backoff And Jitter", AWS Architecture Blog.
    """
    most = BACKOFF_MOST_REFUSED if is_refused else BACKOFF_MOST
    return chance * min(most, BACKOFF_FIRST * 2.0 ** min(failures - 1, 16))
