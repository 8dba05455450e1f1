"""A process of the tests' project that sends tasks and counts them: `python -m tests.support.counting SECONDS QUEUE …`.

Sends twenty tasks a second to each queue, of another name to the second one, and reports every second. `--undeclared`
sends to the default exchange without declaring the queue, as a sender does that has declared it before it was deleted.
`--exchange=NAME` sends to this exchange.
"""

import sys
import time

from celery_gossip.worker import count_sent, sent_reporter
from tests.support.project import app

sent_reporter.INTERVAL = 1.0
_build = count_sent.SentReporter


def _build_fast(*arguments: object) -> object:
    return _build(*arguments, interval=1.0)  # type: ignore[arg-type]


def main() -> None:
    """Send until the time is over."""
    count_sent.SentReporter = _build_fast  # type: ignore[assignment, misc]
    options = [one for one in sys.argv[1:] if one.startswith("--")]
    seconds, *queues = [one for one in sys.argv[1:] if not one.startswith("--")]
    exchange = next((one.partition("=")[2] for one in options if one.startswith("--exchange=")), "")
    ends_at, sent = time.monotonic() + float(seconds), 0
    while time.monotonic() < ends_at:
        for queue, task in zip(queues, ("nothing", "fail"), strict=False):
            name = f"tests.support.project.{task}"
            if exchange:
                app.send_task(name, exchange=exchange, routing_key=queue)
            else:
                app.send_task(name, queue=queue, declare=[] if "--undeclared" in options else None)
            sent += 1
        time.sleep(0.05)
    print(sent)


if __name__ == "__main__":
    main()
