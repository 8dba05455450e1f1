"""docs/explanation/design.md describes the tree as it is: its modules, its layers, and every module path that it names.

After a change of modules run `GOSSIP_TEST_DESIGN=new python -m pytest tests/unit/test_design.py`, which writes the
tables of modules from the first sentences of their docstrings, and review the diff.
"""

import ast
import configparser
import os
import re
from collections import defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "celery_gossip"
DESIGN = REPOSITORY / "docs" / "explanation" / "design.md"
BEGIN, END = "<!-- modules -->\n", "<!-- end of modules -->\n"
SUBPACKAGES = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def first_sentence(module: Path) -> str:
    """Return the first sentence of the docstring, or of the comment at the top of a script."""
    text = module.read_text("utf-8")
    if module.suffix == ".js":
        lines = [line.removeprefix("// ") for line in text.split("\n\n")[0].splitlines() if line.startswith("// ")]
        paragraph = " ".join(lines)
    else:
        paragraph = (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0]
    return re.split(r"(?<=\.)\s", " ".join(paragraph.split()), maxsplit=1)[0]


def module_tables() -> str:
    """Return a table of modules for the package and each of its folders."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for module in sorted((*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.js"))):
        folders[module.parent].append(module)
    parts = []
    for folder, modules in sorted(folders.items()):
        rows = [
            f"| `{module.stem if module.suffix == '.py' else module.name}` | {first_sentence(module)} |"
            for module in modules
            if module.name != "__init__.py"
        ]
        package = folder / "__init__.py"
        summary = f"{first_sentence(package)}\n\n" if package.exists() else ""
        name = folder.relative_to(REPOSITORY).as_posix()
        parts.append(f"### `{name}`\n\n{summary}| module | |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def layers_of(setup: Path) -> list[str]:
    """Return the layers of the import contract, one line each, the highest first."""
    parser = configparser.ConfigParser()
    parser.read(setup, encoding="utf-8")
    return [line.strip() for line in parser["importlinter:contract:layers"]["layers"].strip().splitlines()]


def test_every_module_is_listed_with_the_first_sentence_of_its_docstring() -> None:
    before, tables, after = re.split(f"{BEGIN}|{END}", DESIGN.read_text("utf-8"))
    if os.environ.get("GOSSIP_TEST_DESIGN") == "new":
        tables = module_tables()
        DESIGN.write_text(f"{before}{BEGIN}{tables}{END}{after}", "utf-8")
    assert tables == module_tables()


def test_every_module_path_that_is_named_exists() -> None:
    path = rf"(?<![\w/])((?:{'|'.join(SUBPACKAGES)})/\w+(?:/\w+)*)"
    named = set(re.findall(path, DESIGN.read_text("utf-8")))
    assert len(named) > 30
    assert not [path for path in sorted(named) if not ((PACKAGE / path).is_dir() or (PACKAGE / f"{path}.py").exists())]


def test_the_diagram_of_imports_has_the_layers_of_the_contract() -> None:
    (diagram,) = re.findall(r"<!-- layers -->\n```\n(.*?)```", DESIGN.read_text("utf-8"), re.DOTALL)
    shown = [re.split(r"\s{2,}", line.strip())[0] for line in diagram.splitlines() if re.match(r" \S", line)]
    assert shown == layers_of(REPOSITORY / "setup.cfg")
