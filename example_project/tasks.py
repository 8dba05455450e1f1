"""Tasks of the shop: short, long, failing and scheduled ones."""

import random
import time

from example_project.celery import app


class OutOfStockError(Exception):
    """The ordered product is out of stock."""


@app.task
def take_order(order_id: int) -> None:
    """Run for a short time on the default queue; one in ten orders fails."""
    time.sleep(random.uniform(0.1, 0.6))
    if order_id % 10 == 9:
        raise OutOfStockError(order_id)


@app.task
def send_mail(order_id: int) -> None:
    """Run for a short time on the queue `mail`."""
    time.sleep(random.uniform(0.2, 1.0))


@app.task
def remind(order_id: int) -> None:
    """Run on the queue `mail`; sent with an ETA."""
    time.sleep(0.1)


@app.task
def build_report(month: int) -> None:
    """Run for a long time on the queue `reports`."""
    time.sleep(random.uniform(3.0, 6.0))
