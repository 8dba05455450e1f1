"""Fixtures of the fault suite."""

import gc
from collections.abc import Iterator

import pytest

from tests.faults.figure import Figures
from tests.faults.scale import SCALE


@pytest.fixture(scope="session")
def figures() -> Iterator[Figures]:
    """Where every test of this suite puts what it has measured."""
    figures = Figures(is_kept=SCALE.is_full)
    yield figures
    figures.save()


@pytest.fixture
def collected() -> Iterator[None]:
    """What a test leaves to the garbage collector is collected before the next begins."""
    yield
    gc.collect()
