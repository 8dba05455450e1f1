"""Lets functions of the beat side raise at each call: GOSSIP_TEST_SABOTAGE is JSON of a list of `module:Class.name`.

Imported by the project under GOSSIP_TEST_IMPORT. GOSSIP_TEST_SABOTAGED names a file for a line per function that was
called.
"""

import importlib
import json
import os
from typing import Any

_record = os.open(os.environ["GOSSIP_TEST_SABOTAGED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def sabotage(path: str) -> None:
    module, _, names = path.partition(":")
    *owners, name = names.split(".")
    owner: Any = importlib.import_module(f"celery_gossip.{module}")
    for one in owners:
        owner = getattr(owner, one)

    def blow_up(*_: Any, **__: Any) -> None:
        os.write(_record, f"{path}\n".encode())
        raise OSError(path)

    setattr(owner, name, blow_up)


for one in json.loads(os.environ["GOSSIP_TEST_SABOTAGE"]):
    sabotage(one)
