"""The wait before the next try: doubling, capped, and anywhere below that."""

import pytest

from celery_gossip.transport.backoff import backoff


@pytest.mark.parametrize(
    ("failures", "absent", "refused"),
    [(1, 1.0, 1.0), (2, 2.0, 2.0), (3, 2.0, 4.0), (4, 2.0, 8.0), (5, 2.0, 16.0), (6, 2.0, 30.0), (10**9, 2.0, 30.0)],
)
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_it_doubles_to_a_cap_with_full_jitter(failures: int, absent: float, refused: float, chance: float) -> None:
    assert backoff(failures, chance) == chance * absent
    assert backoff(failures, chance, is_refused=True) == chance * refused
