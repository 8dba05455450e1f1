"""Code blocks of the documents: configuration can be parsed, and commands have the names and options of the program.

Python blocks are run by tests/integration/test_documented_examples.py. A block that cannot be checked has a line
`<!-- not run: reason -->` before it.
"""

import configparser
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from celery.bin.worker import worker as worker_command

from celery_gossip.cli import gossip
from celery_gossip.worker.flags import worker_flags

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = [
    path.relative_to(REPOSITORY).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md")
    for path in sorted(REPOSITORY.glob(pattern))
    if "_build" not in path.parts
]
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[^`\s]*)[^`]*$")
REASON = re.compile(r"^ *<!-- not run: .+ -->$")
#: Languages of blocks that are text for a reader, or commands, which test_commands_exist checks in every block.
TEXT = {"", "console", "text", "sh", "cron", "promql"}
DIRECTIVE = re.compile(r"^\{[a-z:-]+\}$")  #: of MyST


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    document: str
    line: int  #: of the opening fence
    language: str
    indent: int
    reason: bool  #: a line before it says why it is not run
    text: str


def blocks_of(document: str, source: str) -> Iterator[Block]:
    lines = source.splitlines()
    opening: re.Match[str] | None = None
    start = 0
    for number, line in enumerate(lines):
        found = FENCE.match(line)
        if opening is None:
            opening, start = found, number
        elif found and found["fence"].startswith(opening["fence"]) and not found["language"]:
            reason = start > 0 and REASON.match(lines[start - 1]) is not None
            text = textwrap.dedent("\n".join(lines[start + 1 : number])) + "\n"
            yield Block(document, start + 1, opening["language"], len(opening["indent"]), reason, text)
            opening = None
    assert opening is None, f"{document}:{start + 1}: the block has no end"


BLOCKS = [block for name in DOCUMENTS for block in blocks_of(name, (REPOSITORY / name).read_text(encoding="utf-8"))]


def parse_yaml(text: str) -> object:
    documents = list(yaml.load_all(text, Loader=UniqueKeys))
    assert documents and None not in documents
    return documents


class UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping that has a key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        mapping = super().construct_mapping(node, deep)
        assert len(mapping) == len(node.value), f"a key is there twice in line {node.start_mark.line + 1}"
        return mapping


def parse_ini(text: str) -> object:
    """Read units of systemd, and files of variables, which have no section."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text if text.startswith("[") else f"[variables]\n{text}")
    assert all(parser.options(section) for section in parser.sections())
    return parser


def parse_toml(text: str) -> object:
    if sys.version_info < (3, 11):
        pytest.skip("tomllib is part of Python 3.11")
    import tomllib

    return tomllib.loads(text)


def parse_nginx(text: str) -> object:
    """Check that braces are balanced and that each other line ends a directive."""
    depth = 0
    for line in filter(None, map(str.strip, re.sub(r"#.*", "", text).splitlines())):
        assert line.endswith(("{", ";", "}")), line
        depth += line.count("{") - line.count("}")
        assert depth >= 0, line
    assert depth == 0
    return text


def parse_dockerfile(text: str) -> object:
    instructions = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "HEALTHCHECK", "RUN", "USER", "WORKDIR"}
    lines = re.sub(r"\\\n", " ", text).splitlines()
    assert {line.split()[0] for line in lines if line.strip() and not line.startswith("#")} <= instructions
    return lines


PARSERS: dict[str, Callable[[str], object]] = {
    "dockerfile": parse_dockerfile,
    "ini": parse_ini,
    "json": json.loads,
    "nginx": parse_nginx,
    "toml": parse_toml,
    "yaml": parse_yaml,
}


def test_every_document_is_searched() -> None:
    assert {"README.md", "SECURITY.md", "docs/tutorial/celery.md", "docs/how-to/systemd.md"} <= set(DOCUMENTS)
    assert len(BLOCKS) > 100


def where(block: Block) -> str:
    return f"{block.document}:{block.line}"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in PARSERS], ids=where)
def test_configuration_can_be_parsed(block: Block) -> None:
    PARSERS[block.language](block.text)


def test_every_block_is_checked_or_says_why_not() -> None:
    known = {*TEXT, *PARSERS, "python"}
    unknown = [b for b in BLOCKS if b.language not in known and not DIRECTIVE.match(b.language) and not b.reason]
    assert [f"{where(block)}: {block.language}" for block in unknown] == []


def test_python_blocks_are_where_the_test_that_runs_them_finds_them() -> None:
    python = [block for block in BLOCKS if block.language == "python" and not block.document.startswith("examples/")]
    assert [where(block) for block in python if block.indent] == []
    for block in python:
        compile(block.text, where(block), "exec", flags=0x2000)  # top-level await is allowed


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("yaml", "a: [1\n"),
        ("yaml", "a: 1\na: 2\n"),
        ("ini", "[Unit]\nDescription=a\nDescription=b\n"),
        ("ini", "no value\n"),
        ("json", "{'a': 1}"),
        ("nginx", "location / {\n    proxy_pass http://a\n}\n"),
        ("nginx", "location / {\n"),
        ("dockerfile", "FORM python\n"),
    ],
)
def test_invalid_configuration_is_noticed(language: str, text: str) -> None:
    with pytest.raises((AssertionError, ValueError, configparser.Error, yaml.YAMLError)):
        PARSERS[language](text)


# Commands

#: `celery` as a program: at the start of a line or after a blank, a slash, a quote, a bracket or a $( of a shell.
CELERY = re.compile(r"(?:^|[\s/`'\"(\[])celery(?=[\s,]) *(?P<rest>[^`;|#\n]*)", re.MULTILINE)
_WITH_VALUE = {"-A", "--app", "-b", "--broker", "--workdir", "--config", "--loader", "--result-backend"}
_PLACEHOLDERS = {"", "…", "COMMAND", "-h", "--help", "--version"}


def options_of(command: click.Command) -> set[str]:
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"-h", "--help"}


WORKER_OPTIONS = options_of(worker_command) | {name for flag in worker_flags() for name in flag.opts}


def complaints(source: str) -> Iterator[str]:
    """Yield what is wrong with each use of `celery … gossip` and of `celery … worker` in a text."""
    for tokens in commands_in(source):
        name, *rest = tokens
        if name == "worker":
            yield from (f"worker {token}" for token in unknown_options(rest, WORKER_OPTIONS))
        elif name == "gossip" and rest and rest[0] not in _PLACEHOLDERS:
            command = gossip.commands.get(rest[0])
            if command is None:
                yield f"gossip {rest[0]}"
            else:
                yield from (f"gossip {rest[0]} {token}" for token in unknown_options(rest[1:], options_of(command)))


def commands_in(source: str) -> Iterator[list[str]]:
    """Yield the words after `celery` and its own options, without brackets and quotes, of each use in a text."""
    joined = re.sub(r"\\\n\s*", " ", source)
    for found in CELERY.finditer(joined):
        tokens = re.sub(r"[\[\](){},\"']", " ", found["rest"]).split()
        while tokens and tokens[0].startswith("-"):
            tokens = tokens[2 if tokens[0] in _WITH_VALUE else 1 :]
        if tokens:
            yield tokens


def unknown_options(tokens: list[str], known: set[str]) -> Iterator[str]:
    for token in tokens:
        option = token.partition("=")[0].rstrip(".:")
        if re.match(r"--?[a-zA-Z]", option) and option not in known:
            yield option


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_exist(document: str) -> None:
    assert list(complaints((REPOSITORY / document).read_text(encoding="utf-8"))) == []


def test_commands_are_found() -> None:
    used = [tokens for name in DOCUMENTS for tokens in commands_in((REPOSITORY / name).read_text(encoding="utf-8"))]
    assert {tokens[1] for tokens in used if tokens[0] == "gossip" and len(tokens) > 1} >= set(gossip.commands)
    assert sum(tokens[0] == "gossip" for tokens in used) > 60
    assert sum(tokens[0] == "worker" for tokens in used) > 5


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("$ celery -A proj gossip status --expect-workers [WARN,]4 --chek\n", ["gossip status --chek"]),
        ("$ celery -A proj gossip status \\\n    --max-backlogs 4\n", ["gossip status --max-backlogs"]),
        ("ExecStart=/opt/shop/.venv/bin/celery -A proj gossip wb --port 1\n", ["gossip wb"]),
        ('command: [celery, -A, proj, gossip, web, --bind, 0.0.0.0, --alow-host, "x"]\n', ["gossip web --alow-host"]),
        ("Run `celery gossip web --port=1 --ports 2`, then look.\n", ["gossip web --ports"]),
        ("out=$(celery gossip status --check --nope) || echo\n", ["gossip status --nope"]),
        ("$ celery -A proj worker -c 2 --gossip-intervall 2\n", ["worker --gossip-intervall"]),
        ("$ celery -A proj gossip status --json | jq --raw-output .\n", []),
        ("the celery-gossip web --page, celery --version\n", []),
    ],
)
def test_wrong_commands_are_noticed(source: str, expected: list[str]) -> None:
    assert list(complaints(source)) == expected
