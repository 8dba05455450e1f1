"""The targets: promises about hostile bytes. Each takes any bytes, says in a word what they came to, raises if broken.

Used by the tests here and by the program (`python -m tests.fuzz`).
"""

from collections.abc import Callable

from tests.fuzz import seed
from tests.fuzz.conversation import conversation
from tests.fuzz.ear import amqp, amqp_frames, redis, redis_replies
from tests.fuzz.reading import decode

#: `{name: (the promise, what it is tried with at first)}`
TARGETS: dict[str, tuple[Callable[[bytes], str], Callable[[], list[bytes]]]] = {
    "decode": (decode, seed.gossips),
    "redis": (redis, seed.envelopes),
    "amqp": (amqp, seed.amqp_messages),
    "redis_replies": (redis_replies, seed.replies),
    "amqp_frames": (amqp_frames, seed.frames),
    "conversation": (conversation, seed.conversations),
}
