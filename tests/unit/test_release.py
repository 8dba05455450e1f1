"""`make release` refuses a tree that is not ready, and says all that is missing."""

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
CHANGELOG = "# Changelog\n\n## 1.2.3 - 2026-11-29\n\n### Added\n\n- A thing.\n\n## 1.2.2 - 2026-10-01\n\n- Older.\n"


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "tools" / "release.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A committed project whose version is 1.2.3."""
    (tmp_path / "celery_gossip").mkdir()
    (tmp_path / "celery_gossip" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(tree: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=A Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=tree, check=True, capture_output=True)


def commit(tree: Path) -> None:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message=Change")


def test_a_committed_tree_with_the_version_everywhere_is_ready(release: ModuleType, tree: Path) -> None:
    assert release.problems("1.2.3", tree) == []


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.2.3.dev0", "01.2.3", "1.2.3 ", ""])
def test_anything_but_three_numbers_is_not_a_version(release: ModuleType, tree: Path, version: str) -> None:
    assert release.problems(version, tree) == [f"expected a version such as 1.2.3, got {version!r}"]


def test_a_tree_with_uncommitted_or_new_files_is_not_ready(release: ModuleType, tree: Path) -> None:
    (tree / "new.py").touch()
    assert release.problems("1.2.3", tree) == ["the working tree has 1 changes that are not committed: ?? new.py"]


def test_a_version_is_tagged_once(release: ModuleType, tree: Path) -> None:
    git(tree, "tag", "v1.2.3")
    assert release.problems("1.2.3", tree) == ["the tag v1.2.3 exists already"]


def test_the_version_of_the_package_and_of_the_changelog_must_be_this_one(release: ModuleType, tree: Path) -> None:
    assert release.problems("1.2.4", tree) == [
        "celery_gossip.__version__ is 1.2.3, expected 1.2.4",
        "CHANGELOG.md: the newest section is '1.2.3 - 2026-11-29', expected \"## 1.2.4 - YYYY-MM-DD\"",
    ]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("## 1.2.3 - 2026-11-29", "## 1.2.3", "the newest section is '1.2.3'"),
        ("## 1.2.3 - 2026-11-29", "## 1.2.3 - soon", "the newest section is '1.2.3 - soon'"),
        ("## 1.2.3", "## Unreleased\n\n- A fix.\n\n## 1.2.3", "move the entries of Unreleased"),
        ("### Added\n\n- A thing.\n", "", "the section of 1.2.3 is empty"),
    ],
)
def test_the_changelog_has_a_dated_section_and_nothing_unreleased(
    release: ModuleType, tree: Path, before: str, after: str, problem: str
) -> None:
    (tree / "CHANGELOG.md").write_text(CHANGELOG.replace(before, after, 1))
    commit(tree)
    (found,) = release.problems("1.2.3", tree)
    assert problem in found


def test_an_empty_section_unreleased_may_stay(release: ModuleType, tree: Path) -> None:
    (tree / "CHANGELOG.md").write_text(CHANGELOG.replace("## 1.2.3", "## Unreleased\n\n## 1.2.3", 1))
    commit(tree)
    assert release.problems("1.2.3", tree) == []


def test_outside_a_repository_the_error_is_gits(release: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(release.ReleaseError, match="git status: .*not a git repository"):
        release.problems("1.2.3", tmp_path)
