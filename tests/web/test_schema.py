"""Schemathesis requests every operation of the OpenAPI document, in this process: routes and document agree."""

import base64
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from celery_gossip.web.operation import Access
from tests.unit.build import a_check, a_series
from tests.web.served import ANN, Served

if os.environ.get("CI"):
    import schemathesis
else:
    schemathesis = pytest.importorskip("schemathesis", reason='needs pip install "celery-gossip[test]"')

HOST = "127.0.0.1"
BASIC = {"Authorization": "Basic " + base64.b64encode(":".join(ANN).encode()).decode()}


def a_fleet() -> Served:
    served = Served(has_control=True)
    served.fleet.report(checks=(a_check("mail"), a_check("a/b")), series=(a_series("mail", age=0.5),))
    served.broadcaster._is_stopped = True  # so that event streams end
    return served


served = a_fleet()


@pytest.fixture(autouse=True, scope="module")
def close_served() -> Iterator[None]:
    """End the threads that requests have started."""
    yield
    served.close()


PUBLIC = [one.document_path for one in served.table.operations if one.access is Access.PUBLIC]
schema = schemathesis.openapi.from_dict(served.get("/api/openapi.json", auth=ANN).json())
schema.app = served.application
schema.config.update(base_url=f"http://{HOST}:5556")
#: 422: the fields of a command are valid, but contradict each other, which a schema cannot express.
ACCEPTED = ["2xx", "401", "403", "404", "409", "422", "429", "5xx"]
schema.config.checks.positive_data_acceptance.expected_statuses = ACCEPTED
bounded = settings(
    max_examples=int(os.environ.get("GOSSIP_TEST_EXAMPLES", "30")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


@schema.exclude(path="/api/control").parametrize()
@bounded
def test_every_operation_does_what_its_description_says(case: "schemathesis.Case") -> None:
    case.call_and_validate(headers=BASIC)


@schema.include(path="/api/control").parametrize()
@settings(bounded, max_examples=2)
def test_without_the_token_commands_are_refused_as_described(case: "schemathesis.Case") -> None:
    case.call_and_validate(headers=BASIC)


@schema.include(path="/api/control").parametrize()
@settings(bounded, max_examples=10)
def test_described_commands_are_accepted_and_others_refused(case: "schemathesis.Case") -> None:
    case.call_and_validate(headers={**BASIC, "X-Gossip-CSRF": served.api.csrf})


@schema.exclude(path=PUBLIC).parametrize()
@settings(bounded, max_examples=5)
def test_without_credentials_everything_is_refused_as_described(case: "schemathesis.Case") -> None:
    assert case.call_and_validate().status_code in (400, 401, 405, 421, 429)
