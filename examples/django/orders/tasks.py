"""Tasks that workers run."""

import time

from celery import shared_task


@shared_task
def confirm(order_id: int) -> None:
    """Stand for work that takes half a second."""
    time.sleep(0.5)
