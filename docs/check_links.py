"""Check every link of the built site, without a network: `python docs/check_links.py docs/_build/html`.

A local link must lead to a file of the site and, with an anchor, to an element with this id. An external URL must be
well formed. Prints each link that is not, and exits with 1 if there are any.
"""

import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["broken_links", "is_well_formed"]

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+\Z", re.IGNORECASE)
_LINKS = {"a": "href", "img": "src", "link": "href", "script": "src", "source": "srcset"}


class _Page(HTMLParser):
    """The links and the ids of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids.update(value for name in ("id", "name") if (value := named.get(name)))
        if target := named.get(_LINKS.get(tag, "")):
            self.links.append(target)


def broken_links(site: Path) -> Iterator[str]:
    """Yield `page: link: reason` for each link that leads nowhere."""
    page = cache(_Page)
    for path in sorted(site.rglob("*.html")):
        for link in dict.fromkeys(page(path).links):
            parts = urlsplit(link)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                reason = "" if is_well_formed(link) else "not a well-formed URL"
            else:
                linked = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                reason = _local_error(linked, unquote(parts.fragment), page)
            if reason:
                yield f"{path.relative_to(site)}: {link}: {reason}"


def is_well_formed(url: str) -> bool:
    """Return True for an absolute URL with http or https, a host name with a dot, and no character to be escaped."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    has_host = parts.hostname is not None and _HOST.match(parts.hostname) is not None and port != 0
    return parts.scheme in ("http", "https") and has_host and re.search(r"[\s<>\"{}|\\^`]", url) is None


def _local_error(linked: Path, anchor: str, page: Callable[[Path], _Page]) -> str:
    if linked.is_dir():
        linked /= "index.html"
    if not linked.is_file():
        return "no such file"
    if anchor and linked.suffix == ".html" and anchor not in page(linked).ids:
        return "no element has this id"
    return ""


def main() -> int:
    """Return the exit code."""
    site = Path(sys.argv[1])
    broken = list(broken_links(site))
    print("\n".join(broken), file=sys.stderr, end="\n" if broken else "")
    count = sum(len(_Page(path).links) for path in site.rglob("*.html"))
    print(f"{count} links, {len(broken)} of them broken")
    return 1 if broken or not count else 0


if __name__ == "__main__":
    sys.exit(main())
