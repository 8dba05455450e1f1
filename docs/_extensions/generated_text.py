"""Change the text of pages when Sphinx reads them: generated parts, files of the top level, and links between them.

`<!-- generated: NAME -->` in a page is replaced by Markdown that is built from the code, and the part from
`<!-- text of FILE -->` to `<!-- end -->` by a file of the repository's top level. Links are written as a code forge
needs them: one to SECURITY.md leads to the page with its text here, one to a README of another folder is a download.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rest_api import rest_api_page
from sphinx.application import Sphinx

_REPOSITORY = Path(__file__).parents[2]
#: Markdown by the name in a page.
_GENERATORS: dict[str, Callable[[], str]] = {"rest-api": rest_api_page}
_MARKER = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)
_INSERTION = re.compile(r"<!-- text of ([\w.]+) -->\n.*?<!-- end -->\n", re.DOTALL)
#: Page of the site, by the file of the top level whose text or contents it has.
_PAGES = {
    "CHANGELOG.md": "docs/changelog.md",
    "CONTRIBUTING.md": "docs/contributing.md",
    "README.md": "docs/index.md",
    "SECURITY.md": "docs/security.md",
}
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


def site_text(docname: str, text: str) -> str:
    """Return the text of a page of the site. Raises KeyError for a generated part that is unknown."""
    folder = posixpath.dirname(f"docs/{docname}")

    def insert(insertion: re.Match[str]) -> str:
        return _with_links(_REPOSITORY.joinpath(insertion[1]).read_text("utf-8"), "", folder)

    text = _MARKER.sub(lambda marker: _GENERATORS[marker[1]](), _with_links(text, folder, folder))
    return _INSERTION.sub(insert, text)


def _with_links(text: str, written_in: str, folder: str) -> str:
    """Return the text with links, which are relative to one folder of the repository, relative to another one."""

    def adapt(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(written_in, link[1]))
        path = _PAGES.get(path, path)
        is_download = path.endswith(".md") and not path.startswith("docs/")
        return f"]({'path:' if is_download else ''}{posixpath.relpath(path, folder)}"

    return _LINK.sub(adapt, text)


def _on_read(app: Sphinx, docname: str, source: list[str]) -> None:
    for name in _INSERTION.findall(source[0]):
        app.env.note_dependency(str(_REPOSITORY / name))
    source[0] = site_text(docname, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the change of the text."""
    app.connect("source-read", _on_read)
    return {"parallel_read_safe": True}
