"""Play situations and compare the findings with the expected ones."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.incidents import beats as beats  # noqa: PLC0414 - adds situations
from tests.incidents import sent as sent  # noqa: PLC0414 - adds situations
from tests.incidents import unforeseen as unforeseen  # noqa: PLC0414 - adds situations
from tests.incidents.catalogue import SITUATIONS, Situation
from tests.incidents.fleet import Fleet

__all__ = ["Outcome", "play", "play_all", "report"]


@dataclass(frozen=True)
class Outcome:
    """What became of one situation."""

    situation: Situation
    raised: dict[str, float]  #: `{kind: seconds after begin()}`, the first of each kind

    @property
    def missed(self) -> list[str]:
        """Expected kinds that were not raised in time."""
        expected = self.situation.expected
        return [kind for kind, limit in expected.items() if not 0.0 <= self.raised.get(kind, -1.0) <= limit]

    @property
    def surplus(self) -> list[str]:
        """Kinds that were raised although they were not expected."""
        return sorted(self.raised.keys() - self.situation.expected.keys())

    def __str__(self) -> str:
        raised = ", ".join(f"{kind} after {seconds:.1f} s" for kind, seconds in self.raised.items()) or "nothing"
        return f"{self.situation.name}: {raised}; missed {self.missed}, surplus {self.surplus}"


def play(situation: Situation, seed: int = 7) -> Outcome:
    """Play one situation."""
    fleet = Fleet(seed)
    situation.play(fleet)
    raised: dict[str, float] = {}
    for event in fleet.events:
        if event.is_raised:
            raised.setdefault(event.finding.kind, event.at - fleet.onset)
    return Outcome(situation, raised)


def play_all(seed: int = 7) -> list[Outcome]:
    return [play(situation, seed) for situation in SITUATIONS]


def report(outcomes: Iterable[Outcome]) -> str:
    """Return a table, and recall and precision over all findings."""
    outcomes = list(outcomes)
    lines = ["| situation | findings |", "|---|---|"]
    for outcome in outcomes:
        found = ", ".join(f"`{kind}` {seconds:.1f} s" for kind, seconds in outcome.raised.items()) or "none"
        lines.append(f"| {outcome.situation.name.replace('_', ' ')} | {found} |")
    expected = sum(len(outcome.situation.expected) for outcome in outcomes)
    missed = sum(len(outcome.missed) for outcome in outcomes)
    surplus = sum(len(outcome.surplus) for outcome in outcomes)
    found = expected - missed
    incidents = sum(outcome.situation.is_incident for outcome in outcomes)
    lines += [
        "",
        f"{incidents} incidents, {len(outcomes) - incidents} healthy situations. Recall {found / expected:.0%} "
        f"({found} of {expected} findings in time), precision {found / max(1, found + surplus):.0%} ({surplus} others)",
    ]
    return "\n".join(lines)
