"""Configuration of the documentation site: `make docs` builds it, without access to a network."""

import sys
from pathlib import Path

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE / "_extensions"), str(_HERE.parent)]

import celery_gossip  # noqa: E402 - the path is set first

project = "celery-gossip"
author = "The celery-gossip developers"
copyright = author  # noqa: A001 - Sphinx reads this name
release = version = celery_gossip.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_click",
    "command_options",
    "generated_text",
    "pictures",
    "public_names",
]
exclude_patterns = ["_build", "_extensions"]

html_theme = "furo"
html_title = f"celery-gossip {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
smartquotes = False  # it would replace the hyphens of options

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4  # of the same form as those of code forges

# Docstrings have names in single backticks, as Markdown does.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Names in the place of long Literal types, in signatures that are overloaded.
autodoc_type_aliases = {
    name: f"celery_gossip.listener.events.{name}"
    for name in ("FindingEventName", "GossipEventName", "RejectionEventName", "WorkerEventName")
} | {"WorkerState": "celery_gossip.WorkerState"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
toc_object_entries_show_parents = "hide"

# The documentation of Python and of the libraries is not linked: the site is built without a network.
nitpick_ignore_regex = [(r"py:.*", r"(?!celery_gossip).*"), (r"py:.*", r"celery_gossip\..*\._\w+")]
