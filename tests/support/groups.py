"""Groups of tests that share what is slow to start: with `pytest --dist loadgroup` one process runs all of a group.

The marks of pytest-xdist 3.8 have no effect under pytest 9.2, so groups are found by the names of the tests.
"""

import re

import pytest
from xdist.scheduler import LoadScopeScheduling

__all__ = ["GroupScheduling", "check_group", "group_of"]

#: `{fixture or file: pattern of the names of the tests that share it}`
GROUPS = {
    "private_rabbitmq": re.compile(
        r"integration/test_(faults|isolation|permissions)\.py|integration/test_backlog\.py.*private_rabbitmq"
        r"|faults/test_(alarm|deaf|flood)\.py|faults/test_brokers\.py::test_quorum"
        r"|faults/test_(hung|replay)\.py.*rabbitmq",
        re.IGNORECASE,
    ),
    "shared_workers": re.compile(
        r"acceptance/test_checks\.py::\w*(with_authentication|without_an_app|test_json_has)"
        r"|acceptance/test_commands\.py::\w*(a_line_per_gossip|the_throughput|reader_is_gone|terminal_cannot_show)"
    ),
    "flower_beside": re.compile(r"web/beside/"),
    "odd_project": re.compile(r"acceptance/test_commands\.py::\w*terminal_cannot_show"),
    "files": re.compile(r"faults/test_network|integration/test_tls|web/test_(accessibility|browser|page)\."),
}


def group_of(nodeid: str) -> str:
    """Return the name of the group of this test; its own name where it is in none."""
    for name, pattern in GROUPS.items():
        if pattern.search(nodeid):
            return nodeid.partition("::")[0] if name == "files" else name
    return nodeid


def check_group(item: pytest.Item) -> None:
    """Raise an error if a test shares a fixture and is not in its group."""
    for fixture in getattr(item, "fixturenames", ()):
        pattern = GROUPS.get(fixture)
        if pattern is not None and not pattern.search(item.nodeid):
            raise pytest.UsageError(f"{item.nodeid} uses {fixture}: add it to GROUPS in {__name__}")


class GroupScheduling(LoadScopeScheduling):
    """Distributes groups and the tests without one, the largest groups first."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
