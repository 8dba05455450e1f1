"""Node.js, which evaluates pure modules of the page without a browser."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support import brokers

__all__ = ["REPOSITORY", "evaluate", "run_node"]

REPOSITORY = Path(__file__).parents[2]
_PAGE = REPOSITORY / "celery_gossip" / "web" / "page"
_SCRIPT = """
import * as m from MODULE;
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const a = JSON.parse(Buffer.concat(chunks));
process.stdout.write(JSON.stringify(EXPRESSION));
"""


def run_node(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run Node in the repository; without it, skip, or fail in CI."""
    node = shutil.which("node")
    if node is None:
        brokers.give_up("Node.js is not installed")
    environment = {**os.environ, "LC_ALL": "en_US.UTF-8", "TZ": "UTC"}
    command = [str(node), *arguments]
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment,
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def evaluate(module: str, expression: str, *arguments: Any) -> Any:
    """Return the value of an expression, in which `m` is a module of the page and `a` the list of arguments."""
    script = _SCRIPT.replace("MODULE", json.dumps((_PAGE / f"{module}.js").as_uri())).replace("EXPRESSION", expression)
    done = run_node("--input-type=module", "--eval", script, text=json.dumps(arguments))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
