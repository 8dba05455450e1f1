"""Each incident is reported with its finding in time, and with no other; a healthy fleet has none."""

import pytest

from celery_gossip.diagnosis.rules import KINDS
from tests.incidents.catalogue import SITUATIONS, Situation
from tests.incidents.outcome import play


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_the_findings_are_the_expected_ones_in_time(situation: Situation) -> None:
    outcome = play(situation)
    assert (outcome.missed, outcome.surplus) == ([], []), str(outcome)


def test_every_kind_of_finding_has_an_incident() -> None:
    assert {kind for situation in SITUATIONS for kind in situation.expected} == set(KINDS)


def test_the_catalogue_has_forty_incidents_and_twenty_healthy_situations() -> None:
    assert sum(situation.is_incident for situation in SITUATIONS) >= 40
    assert sum(not situation.is_incident for situation in SITUATIONS) >= 20
