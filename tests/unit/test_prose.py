"""Docstrings, comments, documents and texts that users see are written in plain technical English."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FILES = (
    "celery_gossip/**/*.py",
    "celery_gossip/**/*.js",
    "celery_gossip/**/*.html",
    "docs/**/*.md",
    "docs/**/*.yaml",
    "docs/**/*.rst",
    "example_project/*.py",
    "*.md",
)

#: Words and phrases that plain technical documentation does not use; the glossary has the terms to use instead.
WORDS = (
    r"nobody|whoever|whom to believe|who is known",
    r"anew|likewise|thereby|thereof|for ever|in vain|for want of|in its turn|of its own accord",
    r"mend(?:s|ed|ing)?|beyond help|suffer|goodbye",
    r"tells? (?:of|that|nothing|everything|what|how|which|whether)|(?:is|are|was|be) told|told of",
    r"fell silent|falls? silent|(?:is|are|was) heard",
    r"fates?|rooms?|as good as nothing|no more than a beginning",
)
PATTERN = re.compile(rf"\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)
#: A docstring begins with a verb, or with a noun if it describes a value.
OPENING = re.compile(r"^\s*[rR]?\"\"\"(?:What|Whether|Of|Likewise)\b", re.MULTILINE)
#: Python 3.12 and newer split f-strings into tokens of their own.
STRINGS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
JS_TEXT = re.compile(r"//.*$|\"[^\"]* [^\"]*\"|'[^']* [^']*'|`[^`]* [^`]*`")


def texts(name: str, source: str) -> Iterator[tuple[int, str]]:
    """Yield `(line, text)`: comments and strings with a space in code, every line of other files."""
    if name.endswith(".py"):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT or (token.type in STRINGS and " " in token.string):
                yield token.start[0], token.string
        return
    for number, line in enumerate(source.splitlines(), 1):
        yield number, " ".join(JS_TEXT.findall(line)) if name.endswith(".js") else line


def hits(name: str, source: str) -> list[str]:
    """Return `file:line: words` for each use of a listed word and each docstring with a wrong first word."""
    found = [
        (number + text.count("\n", 0, match.start()), match[0])
        for number, text in texts(name, source)
        for match in PATTERN.finditer(text)
    ]
    if name.endswith(".py"):
        found += [(source.count("\n", 0, match.end()) + 1, match[0].strip()) for match in OPENING.finditer(source)]
    return [f"{name}:{line}: {words}" for line, words in found]


def documents() -> list[Path]:
    return sorted({path for pattern in FILES for path in REPOSITORY.glob(pattern)})


def test_no_text_uses_a_listed_word() -> None:
    paths = documents()
    assert len(paths) > 150
    found = [hit for path in paths for hit in hits(str(path.relative_to(REPOSITORY)), path.read_text("utf-8"))]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("a.py", '"""Wait.\n\nNobody waits anew."""\n', ["a.py:3: Nobody", "a.py:3: anew"]),
        ("a.py", "x = 1  # in vain\n", ["a.py:1: in vain"]),
        ("a.py", 'raise ValueError(f"{x} is told of y")\n', ["a.py:1: is told"]),
        ("a.py", 'def f():\n    """Whether it is open."""\n', ['a.py:2: """Whether']),
        ("a.py", "room = fate = 'nobody'\n", []),
        ("a.js", 'const room = "the room is full"; // anew', ["a.js:1: room", "a.js:1: anew"]),
        ("a.js", "let room = 'room';", []),
        ("a.md", "A worker that falls silent.", ["a.md:1: falls silent"]),
        ("a.md", "Return the number of mendable tasks, forever.", []),
    ],
)
def test_the_check_finds_words_in_texts_and_not_in_names(name: str, source: str, expected: list[str]) -> None:
    assert hits(name, source) == expected
