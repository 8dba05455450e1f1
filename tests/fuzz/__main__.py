"""Fuzzing by coverage: `python -m tests.fuzz TARGET [--seconds N] [--folder FOLDER]`; `… TARGET FILE` tries one file.

Needs atheris (Linux, CPython 3.11 to 3.13). What was found interesting stays in FOLDER for the next time; bytes that
break a promise are written there as `crash-…`, and the exit code is not 0.
"""

import argparse
import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import atheris

#: Whatever sees a stranger's bytes; to instrument all of redis-py would take ten seconds.
_WATCHED = (
    *("celery_gossip", "amqp", "json", "kombu.message", "kombu.transport.pyamqp", "kombu.transport.redis"),
    *("kombu.transport.virtual", "kombu.utils.json", "redis._parsers", "redis.connection"),
)
_PLACES = 1024
_MOST_BYTES = 140_000  #: more than an envelope may have
_MOST_SECONDS = 60  #: for one input, on a machine that is busy with other things

with atheris.instrument_imports(include=list(_WATCHED)):
    from tests.fuzz import mutant
    from tests.fuzz.target import TARGETS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"))
    chosen = parser.parse_args()
    promise, seeds = TARGETS[chosen.target]
    if chosen.file:
        print(promise(chosen.file.read_bytes()))
        return
    corpus = chosen.folder / chosen.target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, body in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(body)
    fuzz(promise, corpus, chosen.seconds)


def fuzz(promise: Callable[[bytes], str], corpus: Path, seconds: int) -> None:
    """Ends the process."""
    land = a_map(_PLACES)

    def try_one(data: bytes) -> None:
        word = re.sub(r"\d+", "0", promise(data))
        land(zlib.crc32(word.encode("utf-8", "surrogatepass")) % _PLACES)

    change = mutant.mutated_lines if corpus.name == "conversation" else mutant.mutated

    def changed(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        body = change(data, random) if random.random() < 0.5 else atheris.Mutate(data, len(data) + 1)
        return body[:most]

    options = {
        "max_total_time": seconds,
        "max_len": _MOST_BYTES,
        "timeout": _MOST_SECONDS,
        "artifact_prefix": f"{corpus.parent}/{corpus.name}-",
        "print_final_stats": 1,
        "rss_limit_mb": 1024,
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], try_one, custom_mutator=changed)
    atheris.Fuzz()


def a_map(places: int) -> Callable[[int], int]:
    """A function with a branch for each place: a C extension shows the fuzzer nothing but what comes of it."""

    def branches(low: int, high: int, pad: str) -> str:
        if high - low == 1:
            return f"{pad}return {low}\n"
        middle = (low + high) // 2
        left, right = branches(low, middle, f"{pad} "), branches(middle, high, f"{pad} ")
        return f"{pad}if place < {middle}:\n{left}{pad}else:\n{right}"

    names: dict[str, Callable[[int], int]] = {}
    exec(f"def land(place):\n{branches(0, places, ' ')}", names)
    return atheris.instrument_func(names["land"])


if __name__ == "__main__":
    main()
