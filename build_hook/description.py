"""The description and the addresses of the package. Called by setup.py, and by verify.py to check the result.

A package index shows README.md without the repository, so relative links become addresses of files in the repository,
as of the tag of the version.
"""

import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["absolute_links", "broken_links", "links_of", "package_metadata", "project_urls", "repository_url"]

#: The target of `[text](target)`, of the attributes `src`, `href` and `srcset` of HTML, and of `[label]: target`.
_TARGET = re.compile(
    r"""(?P<before>\]\(\s*<?|\b(?:src|href|srcset)\s*=\s*["']|^[ ]{0,3}\[[^\]^][^\]]*\]:[ ]*)(?P<target>[^)\s"'>]+)""",
    re.MULTILINE,
)
_CODE = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)[^\S\n]*$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_PICTURES = (".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp")
_RELEASE = re.compile(r"\d+\.\d+\.\d+")


def package_metadata(root: Path) -> dict[str, object]:
    """Return the keywords of setuptools.setup() that setup.cfg does not have."""
    url, version = repository_url(root), _version_of(root)
    readme = (root / "README.md").read_text("utf-8")
    return {"long_description": absolute_links(readme, url, version), "project_urls": project_urls(url)}


def repository_url(root: Path) -> str:
    """Return `url` in setup.cfg, without a slash at the end."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(root / "setup.cfg", encoding="utf-8")
    return setup["metadata"]["url"].rstrip("/")


def project_urls(url: str) -> dict[str, str]:
    """Return `{label: address}` for the page on a package index. HEAD is the default branch, whatever its name."""
    return {
        "Documentation": f"{url}/tree/HEAD/docs",
        "Source": url,
        "Changelog": f"{url}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{url}/issues",
        "Security": f"{url}/blob/HEAD/SECURITY.md",
    }


def absolute_links(readme: str, url: str, version: str) -> str:
    """Return the text with absolute targets in links, pictures and link definitions; code stays as it is."""
    reference = f"v{version}" if _RELEASE.fullmatch(version) else "HEAD"

    def absolute(match: re.Match[str]) -> str:
        return match["before"] + _absolute(match["target"], url, reference)

    return "".join(part if is_code else _TARGET.sub(absolute, part) for is_code, part in _parts(readme))


def links_of(text: str) -> list[str]:
    """Return the targets of all links and pictures outside code, in order."""
    return [match["target"] for is_code, part in _parts(text) if not is_code for match in _TARGET.finditer(part)]


def broken_links(description: str, root: Path) -> list[str]:
    """Return the links that are relative, or lead to a file that the repository does not have."""
    return [link for link in links_of(description) if not _is_working(link, repository_url(root), root)]


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """Yield `(is code, text)`; together they are the whole text."""
    end = 0
    for match in _CODE.finditer(text):
        yield False, text[end : match.start()]
        yield True, match[0]
        end = match.end()
    yield False, text[end:]


def _absolute(target: str, url: str, reference: str) -> str:
    if _is_absolute(target):
        return target
    path, hash_sign, anchor = target.partition("#")
    path = path.removeprefix("./") or "README.md"
    view = "raw" if path.lower().endswith(_PICTURES) else "blob"
    return f"{url}/{view}/{reference}/{path}{hash_sign}{anchor}"


def _is_absolute(target: str) -> bool:
    return urlsplit(target).scheme in ("http", "https", "mailto")


def _is_working(link: str, url: str, root: Path) -> bool:
    if not link.startswith(f"{url}/"):
        return _is_absolute(link)
    view, _, rest = urlsplit(link.removeprefix(f"{url}/")).path.partition("/")
    if view not in ("raw", "blob"):
        return True  # not a file
    path = root / unquote(rest.partition("/")[2])
    return path.exists() and path.resolve().is_relative_to(root.resolve())


def _version_of(root: Path) -> str:
    source = (root / "celery_gossip" / "__init__.py").read_text("utf-8")
    (version,) = re.findall(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    return str(version)
