"""Check, build and tag a release: `make release VERSION=1.2.3`. Publishes nothing and pushes nothing.

The cheap checks come first, and all of them are reported at once; then tests, linters and the build run, and the tag is
made last. docs/explanation/releasing.md describes the whole process.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["ReleaseError", "main", "problems"]

ROOT = Path(__file__).resolve().parent.parent
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


class ReleaseError(Exception):
    """The release cannot be made; the message says why."""


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="release", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("version", help="such as 1.2.3; the package and CHANGELOG.md must have it already")
    parser.add_argument("--check", action="store_true", help="only the cheap checks: no test, no build, no tag")
    arguments = parser.parse_args()
    try:
        _release(arguments.version, is_check=arguments.check)
    except ReleaseError as exc:
        print(f"release: {exc}", file=sys.stderr)
        return 1
    return 0


def problems(version: str, root: Path = ROOT) -> list[str]:
    """Return the reasons why this version cannot be released from this working tree; empty if it can."""
    if not _VERSION.fullmatch(version):
        return [f"expected a version such as 1.2.3, got {version!r}"]
    return [
        *_repository_problems(version, root),
        *_package_problems(version, root),
        *_changelog_problems(version, root),
    ]


def _release(version: str, *, is_check: bool) -> None:
    found = problems(version)
    if found:
        raise ReleaseError("\n".join(["not ready:", *(f"- {problem}" for problem in found)]))
    if is_check:
        print(f"{version} can be built; tests and build have not run")
        return
    commit = _git(ROOT, "rev-parse", "HEAD")
    for target in ("test", "lint", "dist"):
        _run("make", target)
    # The tests took minutes: tag only what was tested.
    if _git(ROOT, "rev-parse", "HEAD") != commit or _git(ROOT, "status", "--porcelain"):
        raise ReleaseError("the working tree has changed while the tests ran")
    notes = _section(version, (ROOT / "CHANGELOG.md").read_text("utf-8"))
    _git(
        ROOT, "tag", "--annotate", "--cleanup=verbatim", f"v{version}", f"--message=celery-gossip {version}\n\n{notes}"
    )
    print(_next_steps(version))


def _repository_problems(version: str, root: Path) -> list[str]:
    found = []
    changes = _git(root, "status", "--porcelain").splitlines()
    if changes:
        found.append(f"the working tree has {len(changes)} changes that are not committed: {changes[0].strip()}")
    if _git(root, "tag", "--list", f"v{version}"):
        found.append(f"the tag v{version} exists already")
    return found


def _package_problems(version: str, root: Path) -> list[str]:
    source = (root / "celery_gossip" / "__init__.py").read_text("utf-8")
    (packaged,) = re.findall(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    return [] if packaged == version else [f"celery_gossip.__version__ is {packaged}, expected {version}"]


def _changelog_problems(version: str, root: Path) -> list[str]:
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    headings = _HEADING.findall(changelog)
    found = []
    if "Unreleased" in headings and _section("Unreleased", changelog):
        found.append("CHANGELOG.md: move the entries of Unreleased to a section of this version")
    released = [heading for heading in headings if heading != "Unreleased"]
    newest = released[0] if released else "none"
    if not re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d{{2}}-\d{{2}}", newest):
        found.append(f'CHANGELOG.md: the newest section is {newest!r}, expected "## {version} - YYYY-MM-DD"')
    elif not _section(version, changelog):
        found.append(f"CHANGELOG.md: the section of {version} is empty")
    return found


def _section(title: str, changelog: str) -> str:
    """Return the text below this heading, or below the one that begins with this version and has a date."""
    match = re.search(rf"^## {re.escape(title)}(?: - [^\n]*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else ""


def _next_steps(version: str) -> str:
    return f"""
Tagged v{version}; nothing has been pushed or published. Next:
  git show v{version}                  # look at the tag; `git tag -d v{version}` takes it back
  git push origin HEAD v{version}      # the workflow `release` builds the same files again: compare their SHA-256
  .venv/bin/python -m twine upload dist/*
Then add "## Unreleased" to CHANGELOG.md."""


def _git(root: Path, *arguments: str) -> str:
    result = subprocess.run(["git", *arguments], cwd=root, check=False, capture_output=True, text=True)
    if result.returncode:
        raise ReleaseError(f"git {arguments[0]}: {result.stderr.strip()}")
    return result.stdout.strip()


def _run(*command: str) -> None:
    print(f"$ {' '.join(command)}", flush=True)
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise ReleaseError(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    sys.exit(main())
