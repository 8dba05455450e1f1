"""Remote control command `loaded_modules`: this package's modules in the worker's main process. GOSSIP_TEST_IMPORT."""

import sys
from typing import Any

from celery.worker.control import inspect_command


@inspect_command()
def loaded_modules(state: Any) -> list[str]:
    return sorted(name for name in sys.modules if name.partition(".")[0] == "celery_gossip")
