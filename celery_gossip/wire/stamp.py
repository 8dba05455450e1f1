"""Names of the headers with which a task says when it was sent. Pure.

Set and read by the worker side (worker/sent_at), read on the broker by transport/oldest_message.
"""

__all__ = ["LATEST", "SENT_AT", "SENT_RETRIES"]

SENT_AT = "gossip_sent_at"  #: Unix seconds of the sending process
SENT_RETRIES = "gossip_sent_retries"  #: `retries` of the message with the header; absent if 0
LATEST = 1e11  #: Unix seconds, later than any clock: clients can write any value into a header
