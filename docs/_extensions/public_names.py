"""Resolve references to classes by the names under which users import them.

Annotations name the module that defines a class (`celery_gossip.cluster.view.WorkerView`); the page documents it as
`celery_gossip.WorkerView`.
"""

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

_PUBLIC = (
    "celery_gossip",
    "celery_gossip.cluster.throughput",
    "celery_gossip.exporter",
    "celery_gossip.listener.event_stream",
    "celery_gossip.listener.events",
    "celery_gossip.web",
    "celery_gossip.wire.messages",
)


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement) -> Any:
    """Return the reference to the documented name; None if there is none, about which Sphinx warns."""
    if node.get("refdomain") != "py":
        return None
    python, name = env.domains.python_domain, node["reftarget"].rpartition(".")[2]
    for module in _PUBLIC:
        if f"{module}.{name}" in python.objects:
            return python.resolve_xref(env, node["refdoc"], app.builder, "obj", f"{module}.{name}", node, content)
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the resolver."""
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True}
