"""Brokers that are reached by TLS: gossip goes the same way as the app's tasks, certificates and all."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from celery_gossip import Listener
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import MAX_BYTES
from tests.integration.corner import Corner, receive
from tests.support import brokers, eventually
from tests.support.tls import Authority, private_tls
from tests.unit.build import a_check, a_gossip

pytestmark = [pytest.mark.redis, pytest.mark.rabbitmq]


@dataclass(frozen=True)
class Secured:
    """A broker behind TLS, and what a client has to know to trust it."""

    kind: str
    url: str
    certificate: Path  #: of the authority that it is trusted for

    def corner(self, certificate: Path | None = None) -> Corner:
        """Whose app trusts this authority in place of the right one."""
        corner = Corner(self.kind, self.url)
        trust = {"ca_certs": str(certificate or self.certificate), "cert_reqs": ssl.CERT_REQUIRED}
        if self.kind == "redis":
            trust = {f"ssl_{name}": value for name, value in trust.items()}
        corner.app.conf.broker_use_ssl = trust
        return corner


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    kind, authority = request.param, Authority(tmp_path_factory.mktemp("tls"))
    with brokers.running(private_tls(kind, authority)) as broker:
        yield Secured(kind, broker.url, authority.certificate)


def test_gossip_is_heard(secured: Secured) -> None:
    corner = secured.corner()
    with corner.listener() as listener:
        corner.say(checks=(a_check("mail"),))
        listener.wait(workers=1, timeout=5)
        assert [queue.queue for queue in listener.cluster.queues()] == ["mail"]


def test_what_waits_in_the_library_of_tls_is_not_left_there(secured: Secured) -> None:
    """Many messages come in one record of TLS, and nothing more on the socket wakes who waits for it."""
    corner = secured.corner()
    with corner.subscription() as subscription, corner.publisher() as publisher:
        sent = [encode(a_gossip(seq=seq + 1)) for seq in range(500)]
        for body in sent:
            assert publisher.publish(body)
        assert receive(subscription, len(sent)) == sent


def test_a_message_of_many_records_is_put_together(secured: Secured) -> None:
    corner = secured.corner()
    body = b" " * (MAX_BYTES - 10) + b'{"v":1}'
    with corner.subscription() as subscription, corner.publisher() as publisher:
        assert publisher.publish(body)
        assert receive(subscription, 1) == [body]


def test_a_quiet_connection_says_so_after_the_timeout(secured: Secured) -> None:
    with secured.corner().subscription() as subscription:
        assert subscription.receive(0.1) == []


@pytest.mark.parametrize("secured", ["redis"], indirect=True)
def test_a_redis_for_gossip_alone_is_trusted_as_its_url_says(secured: Secured) -> None:
    """From the URL of a RabbitMQ, Kombu reads no certificates."""
    trust = f"?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={secured.certificate}"
    corner = Corner("redis", "memory://")
    with (
        corner.listener(broker_url=secured.url + trust) as listener,
        corner.publisher(broker_url=secured.url + trust) as publisher,
    ):
        publisher.publish(encode(a_gossip()))
        listener.wait(workers=1, timeout=5)


def test_whom_the_client_does_not_trust_is_not_listened_to(secured: Secured, tmp_path: Path) -> None:
    corner = secured.corner(Authority(tmp_path).certificate)
    with Listener(corner.app, corner.options) as listener:
        eventually(partial(_assert_refused, listener))


def _assert_refused(listener: Listener) -> None:
    assert "CERTIFICATE_VERIFY_FAILED" in str(listener.error)
    assert listener.connected_at is None
