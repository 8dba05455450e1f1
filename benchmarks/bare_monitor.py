"""The least that a monitor does: hears the workers of the project in the environment, and reads their totals.

Used by benchmarks.monitors where there is no `celery gossip exporter`; a program that runs until it is killed.
"""

import os
import time

from celery_gossip import Listener
from tests.support.project import app

READ_EVERY = 5.0  #: seconds


def main() -> None:
    with Listener(app) as listener:
        while os.getppid() != 1:
            time.sleep(READ_EVERY)
            listener.cluster.totals()


if __name__ == "__main__":
    main()
