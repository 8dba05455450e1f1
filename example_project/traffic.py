"""Traffic of the shop: orders, mails, and sometimes a report or a reminder. Used by the demo and docker/compose.yaml.

`python -m example_project.traffic` sends tasks until SIGINT or SIGTERM.
"""

import signal
import threading

from example_project.tasks import build_report, remind, send_mail, take_order

__all__ = ["main", "send_orders"]

_SECONDS = 0.35  #: between two orders


def main() -> None:
    """Send tasks until the process is asked to end."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    send_orders(stop)


def send_orders(stop: threading.Event) -> None:
    """Send an order every 0.35 s, and a report or a reminder occasionally, until `stop` is set."""
    order_id = 0
    while not stop.wait(_SECONDS):
        order_id += 1
        take_order.delay(order_id)
        send_mail.delay(order_id)
        if order_id % 4 == 0:
            remind.apply_async((order_id,), countdown=6)
        if order_id % 8 == 0:
            build_report.delay(order_id)


if __name__ == "__main__":
    main()
