"""The description of the package is README.md with links that work outside of the repository."""

import configparser
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
URL = "https://forge.example/team/project"


@pytest.fixture(scope="module")
def hook() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "build_hook"))
    try:
        import description

        yield description
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](docs/a.md)", f"[a]({URL}/blob/v1.2.3/docs/a.md)"),
        ("[a](./docs/a.md#b-c) [d](LICENSE)", f"[a]({URL}/blob/v1.2.3/docs/a.md#b-c) [d]({URL}/blob/v1.2.3/LICENSE)"),
        ("[a](#signing)", f"[a]({URL}/blob/v1.2.3/README.md#signing)"),
        ("![a](docs/a.PNG)", f"![a]({URL}/raw/v1.2.3/docs/a.PNG)"),
        ('<img alt="" src="a.svg">', f'<img alt="" src="{URL}/raw/v1.2.3/a.svg">'),
        ('<source srcset="a.png">', f'<source srcset="{URL}/raw/v1.2.3/a.png">'),
        ("<a href='b.md'>", f"<a href='{URL}/blob/v1.2.3/b.md'>"),
        ("[a]: b.md\n", f"[a]: {URL}/blob/v1.2.3/b.md\n"),
        ('[a](b.md "title")', f'[a]({URL}/blob/v1.2.3/b.md "title")'),
    ],
)
def test_a_relative_link_leads_to_the_file_of_the_tag(hook: ModuleType, text: str, expected: str) -> None:
    assert hook.absolute_links(text, URL, "1.2.3") == expected


@pytest.mark.parametrize(
    "text",
    [
        "[a](https://example.com/b.md)",
        "[a](mailto:a@example.com)",
        "`[a](b.md)`",
        "```python\nx[a](b)\nsrc='c'\n```\n",
        "~~~\n[a](b.md)\n~~~",
        "[^1]: A note.",
        "a list (b.md) and [brackets]",
    ],
)
def test_other_text_and_code_stay_as_they_are(hook: ModuleType, text: str) -> None:
    assert hook.absolute_links(text, URL, "1.2.3") == text
    assert hook.absolute_links(f"{text}\n\n[a](b.md)", URL, "1.2.3").startswith(f"{text}\n\n[a]({URL}/")


def test_a_version_that_is_not_released_has_the_files_of_the_default_branch(hook: ModuleType) -> None:
    assert hook.absolute_links("[a](b.md)", URL, "1.2.3.dev4") == f"[a]({URL}/blob/HEAD/b.md)"


def test_every_link_of_the_readme_works_in_the_description(hook: ModuleType) -> None:
    metadata = hook.package_metadata(ROOT)
    description = metadata["long_description"]
    assert hook.broken_links(description, ROOT) == []
    own = [link for link in hook.links_of(description) if link.startswith(hook.repository_url(ROOT))]
    relative = hook.links_of((ROOT / "README.md").read_text("utf-8"))
    assert len(own) == len([link for link in relative if not link.startswith("http")]) > 10
    assert list(metadata["project_urls"]) == ["Documentation", "Source", "Changelog", "Issues", "Security"]


def test_relative_links_and_links_to_missing_files_are_broken(hook: ModuleType) -> None:
    url = hook.repository_url(ROOT)
    links = [
        "docs/design.md",
        "#signing",
        f"{url}/blob/v1.2.3/no_such.md",
        f"{url}/raw/v1.2.3/docs/pictures/no_such.png",
        f"{url}/blob/v1.2.3/../../etc/passwd",
    ]
    text = "".join(f"[a]({link})\n" for link in [*links, f"{url}/blob/v1.2.3/LICENSE#x", "https://example.com", url])
    assert hook.broken_links(text, ROOT) == links


def test_the_extra_all_contains_every_extra_for_users() -> None:
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = setup["options.extras_require"]
    for_contributors = {"all", "docs", "fuzz", "mutation", "test"}
    expected = ",".join(sorted(extras.keys() - for_contributors))
    assert extras["all"].strip() == f"celery-gossip[{expected}]"
