"""Health check of every container of the image. Exits with 0 if it is healthy, else with 1 and the reason.

The environment variable HEALTHCHECK is the path of a worker's health file (`--gossip-health-file`), or the URL of a
dashboard's /healthz or of an exporter's /health. Needs no shell and no curl, and does not import Celery.
"""

import os
import sys
from urllib.request import urlopen

from celery_gossip.health import main as check_file

TIMEOUT = 4.0  #: seconds; less than the timeout in the Dockerfile
MAX_AGE = "10"  #: seconds without an update of the health file


def main() -> int:
    """Return the exit code."""
    target = os.environ.get("HEALTHCHECK", "")
    if not target.startswith(("http://", "https://")):
        return check_file([target, "--max-age", MAX_AGE])
    try:
        with urlopen(target, timeout=TIMEOUT) as response:
            print(response.read(1000).decode(errors="replace").strip())
    except OSError as exc:
        print(f"{target}: {exc}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
