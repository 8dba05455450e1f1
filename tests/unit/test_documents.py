"""Tables and links of the documents agree with the code and with each other."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

import celery_gossip
from celery_gossip import GossipOptions, signals
from celery_gossip.cluster.beat_view import BEAT_STATES
from celery_gossip.cluster.throughput import Distribution
from celery_gossip.cluster.view import STATES
from celery_gossip.wire.messages import Gossip, QueueCheck, TaskSeries
from celery_gossip.worker.flags import worker_flags

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
DOCUMENTS = sorted((*REPOSITORY.glob("*.md"), *PAGES))
README_LINES = 150  #: at most
FENCE = re.compile(r"^(```+|~~~+).*?^\1 *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)|(?:src|srcset)=\"(?!https?:)([^\"]+)\"")


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def table(page: str, first_column: str) -> list[list[str]]:
    """Return the cells of the table on this page of the reference whose first column has this title."""
    text = (REFERENCE / page).read_text("utf-8")
    (rows,) = re.findall(rf"^\| {first_column} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in rows.splitlines()]


def names_in(cell: str) -> list[str]:
    """Return the names in backticks, without arguments."""
    return [name.partition("(")[0] for name in re.findall(r"`([a-z]\w*(?:\([^)]*\))?)`", cell)]


def has(cls: Any, name: str) -> bool:
    is_field = is_dataclass(cls) and name in {field.name for field in fields(cls)}
    return is_field or hasattr(cls, name)


@pytest.mark.parametrize("row", table("python-api.md", "class"), ids=lambda row: re.findall(r"\w+", row[0])[0])
def test_the_attributes_of_a_class_exist(row: list[str]) -> None:
    name = re.findall(r"\w+", row[0])[0]
    cls = Distribution if name == "Distribution" else getattr(celery_gossip, name)
    listed = names_in(re.sub(r" \([^`]*?(?:`[^`]*`[^`]*?)*\)", "", row[1]))
    if name == "Listener":  # these are set in the constructor
        listed = [attribute for attribute in listed if attribute not in ("ended_by", "error", "rejected")]
    assert len(listed) >= 5
    assert [attribute for attribute in listed if not has(cls, attribute)] == []


def test_the_python_api_has_every_public_name_once() -> None:
    text = (REFERENCE / "python-api.md").read_text("utf-8")
    documented = re.findall(r"^\.\. auto\w+:: celery_gossip\.(\w+)(?:\(\))?$", text, re.MULTILINE)
    assert sorted(documented) == sorted(set(celery_gossip.__all__) - {"signals"})


@pytest.mark.parametrize(("title", "struct"), [("report", Gossip), ("check", QueueCheck), ("series", TaskSeries)])
def test_the_fields_of_a_message_are_all_listed(title: str, struct: type[msgspec.Struct]) -> None:
    listed = [name for row in table("message-format.md", title) for name in names_in(row[0])]
    assert sorted(listed) == sorted(field.encode_name for field in msgspec.structs.fields(struct))


def test_every_signal_is_listed() -> None:
    listed = {name for row in table("signals.md", "signal") for name in names_in(row[0])}
    assert listed == {name for name in signals.__all__ if name != "emit"}


def test_every_option_is_listed_with_its_default() -> None:
    listed = [(row[0].strip("`"), row[2].strip("`")) for row in table("settings.md", "setting")]
    defaults = {field.name: repr(field.default).replace("'", '"') for field in fields(GossipOptions)}
    assert listed == [(f"gossip_{name}", default) for name, default in defaults.items()]


def test_each_option_is_a_keyword_without_the_prefix() -> None:
    keywords = list(inspect.signature(celery_gossip.install).parameters)[1:-1]
    assert [row[0].strip("`") for row in table("settings.md", "setting")] == [f"gossip_{name}" for name in keywords]


@pytest.mark.parametrize(("page", "title", "column"), [("settings.md", "setting", 1), ("commands.md", "flag", 0)])
def test_every_flag_of_a_worker_is_listed(page: str, title: str, column: int) -> None:
    listed = re.findall(r"`(--[\w-]+)", " ".join(row[column] for row in table(page, title)))
    assert sorted(listed) == sorted(name for flag in worker_flags() for name in flag.opts)


def test_every_state_is_listed() -> None:
    assert sorted(name for row in table("states.md", "state") for name in names_in(row[0])) == sorted(STATES)
    listed = [name for row in table("states.md", "state of beat") for name in names_in(row[0])]
    assert sorted(listed) == sorted(BEAT_STATES)


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text("utf-8").splitlines()) <= README_LINES


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    for target in links_in(path):
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def test_links_lead_to_pictures_and_from_the_readme_to_the_site() -> None:
    assert {"docs/index.md", "docs/pictures/overview-wide-dark.png"} <= set(links_in(REPOSITORY / "README.md"))


def links_in(path: Path) -> Iterator[str]:
    """Yield the relative targets of links and pictures."""
    for link, source in LINK.findall(FENCE.sub("", path.read_text("utf-8"))):
        yield link or source


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_page_is_in_a_table_of_contents(path: Path) -> None:
    if path != DOCS / "index.md":
        assert path.relative_to(DOCS).with_suffix("").as_posix() in set(toctree_entries())


@pytest.mark.parametrize("folder", ["how-to", "reference", "explanation"])
def test_an_index_has_a_sentence_for_each_page_of_its_folder(folder: str) -> None:
    index = DOCS / folder / "index.md"
    described = re.findall(r"^- \[[^]]+\]\(([\w/-]+)\.md\): \S.+", index.read_text("utf-8"), re.MULTILINE)
    listed = [entry for entry in toctree_entries() if entry.startswith(f"{folder}/") and not entry.endswith("/index")]
    own = [entry for entry in listed if entry.count("/") == 1]
    assert sorted(f"{folder}/{page}" for page in described if "/" not in page) == sorted(own)


def toctree_entries() -> Iterator[str]:
    """Yield the pages that the tables of contents list, relative to docs/."""
    for page in PAGES:
        for body in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            for line in body.splitlines():
                if line and not line.startswith(":"):
                    yield (page.parent / line).relative_to(DOCS).as_posix()


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
