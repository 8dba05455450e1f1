"""What the shop does: short, long, failing and scheduled work."""

import random
import time

from example_project.celery import app


class OutOfStockError(Exception):
    """The shelf is empty."""


@app.task
def take_order(order_id: int) -> None:
    """Short, on the default queue; one in ten fails."""
    time.sleep(random.uniform(0.1, 0.6))
    if order_id % 10 == 9:
        raise OutOfStockError(order_id)


@app.task
def send_mail(order_id: int) -> None:
    """Short, on the queue for mail."""
    time.sleep(random.uniform(0.2, 1.0))


@app.task
def remind(order_id: int) -> None:
    """Sent with an ETA, on the queue for mail."""
    time.sleep(0.1)


@app.task
def build_report(month: int) -> None:
    """Long, on the queue for reports."""
    time.sleep(random.uniform(3.0, 6.0))
