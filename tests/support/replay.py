"""A peer that replays what it recorded: `python -m tests.support.replay URL CHANNEL RATE SECONDS < RECORDING`.

RECORDING is a line of base64 for each message, as it came from the Redis channel. They are published in order, over and
over, RATE a second, for so many SECONDS; then it prints how many were sent and ends.
"""

import base64
import sys
import time
from itertools import cycle, islice

import redis

TURN = 0.01  #: seconds between two bursts


def main(url: str, channel: str, rate: float, seconds: float) -> None:
    client = redis.Redis.from_url(url)
    messages = cycle([base64.b64decode(line) for line in sys.stdin.buffer.read().split()])
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(passed * rate) - sent
        if due > 0:
            pipeline = client.pipeline(transaction=False)
            for message in islice(messages, due):
                pipeline.publish(channel, message)
            pipeline.execute()
            sent += due
        time.sleep(TURN)
    print(sent)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
