"""The check of the documentation site finds every kind of broken link; the documents name well-formed URLs only."""

import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.test_documents import DOCS, DOCUMENTS, FENCE, name_of

SCRIPT = DOCS / "check_links.py"
PAGE = """<html><body><h1 id="top">A</h1><img src="picture.png"><a href="#top">up</a>
<a href="other/">other</a> <a href="other/index.html#there">there</a> <a href="https://example.org/x">out</a>
<img src="data:image/png;base64,AAAA"> {extra}</body></html>"""


def load() -> ModuleType:
    spec = spec_from_file_location("check_links", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_links = load()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    (tmp_path / "picture.png").write_bytes(b"")
    (tmp_path / "other" / "index.html").write_text('<p id="there">B</p> <a href="../index.html#top">A</a>')
    (tmp_path / "index.html").write_text(PAGE.format(extra=""))
    return tmp_path


def run(site: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, SCRIPT, site], capture_output=True, text=True, timeout=60, check=False)


def test_a_site_whose_links_lead_somewhere_passes(site: Path) -> None:
    done = run(site)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "7 links, 0 of them broken\n"


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ('<a href="missing.html">x</a>', "missing.html: no such file"),
        ('<img src="missing.png">', "missing.png: no such file"),
        ('<a href="#missing">x</a>', "#missing: no element has this id"),
        ('<a href="other/index.html#missing">x</a>', "other/index.html#missing: no element has this id"),
        ('<a href="https://example">x</a>', "https://example: not a well-formed URL"),
        ('<a href="mailto:celery@web1">x</a>', "mailto:celery@web1: not a well-formed URL"),
    ],
)
def test_a_broken_link_is_named_with_its_page(site: Path, extra: str, reason: str) -> None:
    (site / "index.html").write_text(PAGE.format(extra=extra))
    done = run(site)
    assert (done.returncode, done.stderr) == (1, f"index.html: {reason}\n")


def test_an_empty_folder_is_no_site(tmp_path: Path) -> None:
    assert run(tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/oban-bg/oban", True),
        ("http://example.org:8080/a?b=c#d", True),
        ("ftp://example.org/", False),
        ("https:///path", False),
        ("https://exa mple.org/", False),
        ("https://-example.org/", False),
        ("https://example.org:99999/", False),
        ("https://example.org/<name>", False),
    ],
)
def test_a_url_is_well_formed(url: str, expected: bool) -> None:
    assert check_links.is_well_formed(url) is expected


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_the_external_urls_of_a_document_are_well_formed(path: Path) -> None:
    urls = re.findall(r"\]\((https?:[^)]*)\)", FENCE.sub("", path.read_text("utf-8")))
    assert [url for url in urls if not check_links.is_well_formed(url)] == []
