"""Poll workers: `active`, `reserved` and `stats` of `celery inspect`, every 5 s, until it is killed.

Used by benchmarks.monitors. One process that keeps running: a command for each call would cost half a second of CPU
more.
"""

import os
import time

from tests.support.project import app

ASK_EVERY = 5.0  #: seconds


def main() -> None:
    with app.connection_for_write() as connection:
        inspect = app.control.inspect(connection=connection)
        while os.getppid() != 1:
            began = time.monotonic()
            inspect.active()
            inspect.reserved()
            inspect.stats()
            time.sleep(max(0.0, began + ASK_EVERY - time.monotonic()))


if __name__ == "__main__":
    main()
