"""The file with the settings of findings."""

import re
from pathlib import Path

import pytest

from celery_gossip import InvalidOption, read_rules
from celery_gossip.diagnosis.rule_settings import Thresholds

PAGE = (Path(__file__).parents[3] / "docs/how-to/tune-findings.md").read_text("utf-8")


def test_the_documented_file_can_be_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    file = tmp_path / "rules.toml"
    file.write_text(text, "utf-8")
    rules = read_rules(file)
    assert rules.of("mail").thresholds.failing_rate == 0.3 and rules.of("mail").after == {"prefetch_hoarding": 60}
    assert (rules.of("reports").thresholds.long_seconds, rules.of("celery@spot-7").mute) == (
        *(600, {"mixed_versions", "worker_lost"}),
    )


def test_the_page_lists_every_threshold_with_its_default() -> None:
    listed = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE, re.MULTILINE)
    assert {name: float(value) for name, value in listed} == vars(Thresholds())


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "expected a file that can be read, got: No such file"),
        (b"mute = [", "expected TOML, got: "),
        (b"\xff", "expected TOML, got: "),
        (b"#" * (2**20 + 1), "expected at most 1048576 bytes"),
        (b"after = { x = 1 }", "after: unknown name 'x'"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes | None, error: str) -> None:
    file = tmp_path / "rules.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidOption, match=re.escape(str(file))) as caught:
        read_rules(str(file))
    assert error in str(caught.value)
