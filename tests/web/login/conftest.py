"""Fixtures: an OpenID Connect provider, and a dashboard at which its users log in."""

from collections.abc import Iterator

import pytest

from tests.support.oidc import OidcProvider, serve_provider
from tests.unit.build import FakeClock
from tests.web.login.visitor import Visitor, oidc_config
from tests.web.served import Served


@pytest.fixture(scope="module")
def running_provider() -> Iterator[OidcProvider]:
    with serve_provider() as provider:
        yield provider


@pytest.fixture
def provider(running_provider: OidcProvider) -> OidcProvider:
    """A provider without faults, at which Ann logs in."""
    running_provider.reset()
    return running_provider


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


@pytest.fixture
def visitor(served: Served, provider: OidcProvider, clock: FakeClock) -> Visitor:
    """A browser at a dashboard that admits the users of example.com; Ann is an admin."""
    served.serve_logins(oidc_config(provider), clock=clock)
    return Visitor(served, provider)
