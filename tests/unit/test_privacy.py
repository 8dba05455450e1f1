"""Whatever is wrong with a broker's URL: no part of its password is in an error, what it is chained to, or a repr."""

import logging
import traceback
from typing import Any

import pytest
from celery import Celery

from celery_gossip import GossipStep, UnusableURL
from celery_gossip.errors import GossipError, InvalidOption, UnsupportedTransport
from celery_gossip.options import GossipOptions, as_dict, redact_passwords
from celery_gossip.transport.broker import Broker, open_broker, open_task_broker
from tests.unit.conftest import Telemetry
from tests.unit.fakes import a_consumer

PARTS = ("pa55", "W0RD")

USABLE = {
    "redis://user:pa55W0RD@127.0.0.1:1/0": "redis://user:**@127.0.0.1:1/0",
    "redis://:pa55W0RD@127.0.0.1:1/0": "redis://127.0.0.1:1/0",
    "redis://pa55W0RD@127.0.0.1:1/0": "redis://***@127.0.0.1:1/0",
    "redis://user:pa55%40W0RD@127.0.0.1:1/0": "redis://user:**@127.0.0.1:1/0",
    "redis://user:pa55%2FW0RD@127.0.0.1:1/0": "redis://user:**@127.0.0.1:1/0",
    "redis://user:pa55%zzW0RD@127.0.0.1:1/0": "redis://user:**@127.0.0.1:1/0",
    "redis://user:pa55@W0RD@127.0.0.1:1/0": "redis://user:**@127.0.0.1:1/0",
    "redis://user:pa55:W0RD@127.0.0.1:1/0": "redis://user:**@127.0.0.1:1/0",
    "rediss://user:pa55W0RD@127.0.0.1:1/0?ssl_cert_reqs=none": "rediss://user:**@127.0.0.1:1/0",
    "redis+socket://user:pa55W0RD@/tmp/none.sock": "redis+socket://user:**@/tmp/none.sock",
    "amqp://user:pa55W0RD@127.0.0.1:1//": "amqp://user:**@127.0.0.1:1//",
    "amqp://user:pa55W0RD@127.0.0.1:1//;amqp://user:pa55W0RD@127.0.0.1:2//": (
        "amqp://user:**@127.0.0.1:1//;amqp://user:**@127.0.0.1:2//"
    ),
    "redis://127.0.0.1:1/0;redis://pa55W0RD@127.0.0.1:2/0": "redis://127.0.0.1:1/0;redis://***@127.0.0.1:2/0",
    "sentinel://:pa55W0RD@127.0.0.1:1;sentinel://:pa55W0RD@127.0.0.1:2": (
        "sentinel://127.0.0.1:1//;sentinel://127.0.0.1:2//"
    ),
    "filesystem://user:pa55W0RD@host": "filesystem://user:**@host//",
}
UNUSABLE = [
    "redis://user:pa55/W0RD@127.0.0.1:1/0",
    "redis://user:pa55?W0RD@127.0.0.1:1/0",
    "redis://user:pa55#W0RD@127.0.0.1:1/0",
    "redis://user:pa55;W0RD@127.0.0.1:1/0",
    "redis://user:a@b/pa55W0RD@127.0.0.1:1/0",
    "redis://user:pa55://W0RD@127.0.0.1:1/0",
    "amqp://user:pa55[W0RD@127.0.0.1:1//",
    "amqp://user:pa55\u2100W0RD@127.0.0.1:1//",
    "amqp://user:pa55W0RD@127.0.0.1:port//",
    "amqp://user:pa55W0RD@127.0.0.1:99999//",
    "redis://user:pa55W0RD@127.0.0.1:1/0,redis://user:pa55W0RD@127.0.0.1:2/0",
    "redis://127.0.0.1:1/0?password=pa55W0RD",
    "amqp://127.0.0.1:1//?login_method=PLAIN&password=pa55W0RD",
    "nosuch://user:pa55W0RD@127.0.0.1",
    "redis://:pa55W0RD",
    "redis://user:pa55/W0RD",
]


def app_on(url: Any) -> Celery:
    return Celery("shop", broker=url, set_as_current=False)


def assert_silent(*told: Any) -> None:
    for one in told:
        texts = [repr(one), str(one)]
        link: Any = one if isinstance(one, BaseException) else None
        if link is not None:
            texts += traceback.format_exception(link)
        while link is not None:  # also what a traceback leaves out, and collectors of errors do not
            texts += [repr(link), str(link), repr(vars(link))]
            link = link.__cause__ or link.__context__
        assert not [(part, text) for text in texts for part in PARTS if part in text]


def usable() -> list[tuple[str, bool]]:
    """Each as the broker of the gossip and as the app's; Sentinels as the app's alone."""
    return [(url, is_own) for url in USABLE for is_own in (True, False) if not (is_own and url.startswith("sentinel"))]


@pytest.mark.parametrize(("url", "is_own"), usable())
def test_the_address_of_a_broker_is_told_without_its_password(url: str, is_own: bool) -> None:
    options = GossipOptions(broker_url=url if is_own else None)
    broker = open_broker(app_on(None if is_own else url), options)
    assert broker.uri == USABLE[url]
    assert_silent(options, as_dict(options), broker, broker.exchange())


SENTINELS = "sentinel://:pa55W0RD@127.0.0.1:1;sentinel://:pa55W0RD@127.0.0.1:2"


@pytest.mark.parametrize(
    "url", [*UNUSABLE, SENTINELS, b"redis://:pa55W0RD@h", ["redis://:pa55W0RD@h"], "user:pa55/W0RD@h"]
)
def test_a_url_of_its_own_that_cannot_be_used_is_refused_without_its_password(url: Any) -> None:
    with pytest.raises(InvalidOption, match="gossip_broker_url: expected") as refused:
        open_broker(app_on("memory://"), GossipOptions(broker_url=url))
    assert_silent(refused.value)


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_url_of_the_apps_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UnusableURL, match=r"the broker's URL can(not)? be parsed") as refused:
        open_broker(app_on(url), GossipOptions())
    assert isinstance(refused.value, GossipError) and isinstance(refused.value, ValueError)
    assert_silent(refused.value)
    with pytest.raises(UnusableURL) as refused:
        open_task_broker(app_on(url)).kombu_connection()
    assert_silent(refused.value)


def test_a_list_of_urls_of_the_apps_is_looked_at_one_by_one() -> None:
    urls = ["redis://user:pa55W0RD@127.0.0.1:1/0", "redis://user:pa55/W0RD@127.0.0.1:2/0"]
    app = app_on(None)
    app.conf.broker_url = urls[:1] * 2
    assert Broker(app, GossipOptions()).uri == "redis://user:**@127.0.0.1:1/0"
    app.conf.broker_url = urls
    with pytest.raises(UnusableURL) as refused:
        open_broker(app, GossipOptions())
    assert_silent(refused.value)


@pytest.mark.parametrize("setting", ["broker_read_url", "broker_write_url"])
def test_where_tasks_are_written_elsewhere_that_address_is_told_likewise(setting: str) -> None:
    app = app_on("redis://127.0.0.1:1/0")
    app.conf[setting] = "redis://user:pa55W0RD@127.0.0.1:2/0"
    expected = "redis://user:**@127.0.0.1:2/0" if setting == "broker_write_url" else "redis://127.0.0.1:1/0"
    assert Broker(app, GossipOptions()).uri == expected


def test_a_virtual_host_with_an_escaped_sign_can_be_used() -> None:
    assert open_broker(app_on("amqp://user:pa55W0RD@127.0.0.1:1/v%40x"), GossipOptions()).uri.startswith(
        "amqp://user:**@127.0.0.1:1/v"
    )


def test_a_transport_that_cannot_fan_out_is_named_without_the_url() -> None:
    url = "sqla+sqlite://user:pa55W0RD@host/db"
    with pytest.raises((UnsupportedTransport, InvalidOption)) as refused:  # the latter without SQLAlchemy
        open_broker(app_on("memory://"), GossipOptions(broker_url=url))
    assert_silent(refused.value)


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_worker_says_in_one_line_that_the_url_cannot_be_used_and_goes_on(
    url: str, caplog: pytest.LogCaptureFixture, telemetry: Telemetry
) -> None:
    app = app_on(url)
    with caplog.at_level(logging.DEBUG):
        step = GossipStep(a_consumer("default", app=app))
    assert step.enabled is False
    (record,) = [record for record in caplog.records if record.name == "celery_gossip"]
    assert record.levelno == logging.WARNING and "the broker's URL can" in record.getMessage()
    assert record.exc_info is None and not telemetry
    assert_silent(record.getMessage(), caplog.text)


def test_the_signal_of_a_worker_that_starts_shows_no_password(telemetry: Telemetry) -> None:
    app = app_on("memory://")
    app.conf.update(gossip_broker_url="redis://user:pa55W0RD@127.0.0.1:1/0", gossip_secret="pa55W0RD of the gossip")
    step = GossipStep(a_consumer("default", app=app))
    (told,) = telemetry.of("gossip_init")
    assert_silent(told, told["options"], step.info(None))
    assert step.info(None)["queue_gossip"]["secret"] == "***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("amqp://host", "amqp://host"),
        ("redis://u:p@host:6379/0", "redis://***@host:6379/0"),
        ("redis://u:p@a;redis://u:p@b", "redis://***@a;redis://***@b"),
        ("redis://u:a@b/c@host", "redis://***@host"),
        ("redis://u:a//b@host", "redis://***@host"),
        ("['redis://u:p@a', 'redis://u:p@b']", "['redis://***@a', 'redis://***@b']"),
        ("user:s3/cret@host", "***@host"),
        ("redis://:secret", "redis://:***"),
        ("redis://h?password=p&ssl_cert_reqs=none", "redis://h?password=***&ssl_cert_reqs=none"),
        ("redis://h?a=1&redis_PASSWD=p#x", "redis://h?a=1&redis_PASSWD=***#x"),
        ("redis://u:x://y@host", "redis://***@host"),
        ("nothing to hide", "nothing to hide"),
        ("", ""),
    ],
)
def test_what_is_blotted_out_of_a_text(text: str, shown: str) -> None:
    assert redact_passwords(text) == shown
