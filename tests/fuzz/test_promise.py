"""The promises about hostile bytes, tried with some; `python -m tests.fuzz` tries as many as there is time for."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz import mutant, seed, target
from tests.fuzz.reading import decode

NAMES = list(target.TARGETS)
#: Inputs of each target, some seconds in all: those that end the connection take the longest.
EXAMPLES = {"redis_replies": 30, "amqp_frames": 60, "amqp": 150, "conversation": 60}
MOST = 300


def examples(name: str) -> Any:
    return settings(
        max_examples=EXAMPLES.get(name, MOST),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        phases=[Phase.reuse, Phase.generate, Phase.shrink],
    )


def changed(name: str, body: bytes, random: Random) -> bytes:
    change = mutant.mutated_lines if name == "conversation" else mutant.mutated
    return change(body, random)


@pytest.mark.parametrize("name", NAMES)
def test_what_honest_peers_say_keeps_the_promise(name: str) -> None:
    promise, seeds = target.TARGETS[name]
    for body in seeds():
        promise(body)


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_keep_the_promise(name: str) -> None:
    promise, _ = target.TARGETS[name]
    examples(name)(given(st.binary(max_size=500))(promise_on(promise)))()


@pytest.mark.parametrize("name", NAMES)
def test_bytes_that_are_nearly_right_keep_the_promise(name: str) -> None:
    promise, seeds = target.TARGETS[name]

    def kept(body: bytes, random: Random) -> None:
        promise(changed(name, body, random))

    examples(name)(given(st.sampled_from(seeds()), st.randoms(use_true_random=False))(kept))()


def promise_on(promise: Callable[[bytes], str]) -> Callable[[bytes], None]:
    def kept(body: bytes) -> None:
        promise(body)

    return kept


def test_a_change_changes_something_most_of_the_time() -> None:
    for _, seeds in target.TARGETS.values():
        for body in seeds():
            others = {mutant.mutated(body, Random(n)) for n in range(50)}
            assert len(others) > 30


def test_what_is_nearly_a_gossip_is_refused_for_every_reason_of_decoding_and_sometimes_none() -> None:
    words = {decode(mutant.mutated(body, Random(n))) for body in seed.gossips() for n in range(500)}
    assert {"gossip", "echo"} < words
    assert {word.partition(":")[0] for word in words} >= {"malformed", "invalid", "version", "text"}
