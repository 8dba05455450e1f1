"""An app on another broker has the settings of the first, however they are spelled there, and that broker for all."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from celery_gossip import GossipOptions, InvalidOption, Listener, UnusableURL
from celery_gossip.cli.other_broker import BROKERS_VARIABLE, app_at, broker_urls
from celery_gossip.options import resolve, store_install_keywords

OTHER = "amqp://ann:s3cret@other//"
ROUTES = {"shop.*": {"queue": "shop"}}


def new_style(app: Celery) -> None:
    app.conf.update(
        broker_url="redis://first",
        task_default_queue="mail",
        task_routes=ROUTES,
        gossip_exchange="here",
        broker_transport_options={"global_keyprefix": "shop:"},
    )


def old_style(app: Celery) -> None:
    settings = SimpleNamespace(
        BROKER_URL="redis://first",
        CELERY_DEFAULT_QUEUE="mail",
        CELERY_ROUTES=ROUTES,
        gossip_exchange="here",
        BROKER_TRANSPORT_OPTIONS={"global_keyprefix": "shop:"},
    )
    app.config_from_object(settings)


def namespace(app: Celery) -> None:
    settings = SimpleNamespace(
        CELERY_BROKER_URL="redis://first",
        CELERY_TASK_DEFAULT_QUEUE="mail",
        CELERY_TASK_ROUTES=ROUTES,
        CELERY_GOSSIP_EXCHANGE="here",
        CELERY_BROKER_TRANSPORT_OPTIONS={"global_keyprefix": "shop:"},
        GOSSIP_COLUMN="another package's own",
    )
    app.config_from_object(settings, namespace="CELERY")


def keywords(app: Celery) -> None:
    app.conf.update(broker_url="redis://first", task_default_queue="mail", task_routes=ROUTES)
    store_install_keywords(app, {"exchange": "here", "broker_url": "redis://gossip"})


@pytest.mark.parametrize("configure", [new_style, old_style, namespace, keywords])
@pytest.mark.parametrize("is_used", [False, True])
def test_settings_are_kept_and_the_broker_is_another(configure: Any, is_used: bool) -> None:
    app = Celery("shop", set_as_current=False)
    configure(app)
    if is_used:
        assert app.conf.task_default_queue == "mail"
    other = app_at(app, OTHER)
    assert other.main == "shop" and other.conf.task_default_queue == "mail" and other.conf.task_routes == ROUTES
    assert resolve(other) == GossipOptions(exchange="here")
    assert Listener(other).uri == "amqp://ann:**@other:5672//"
    for connection in (other.connection_for_read(), other.connection_for_write()):
        assert connection.as_uri() == "amqp://ann:**@other:5672//"
    assert other.conf.broker_transport_options == {}, "py-amqp does not know the options of Redis"


def test_options_of_the_transport_are_kept_for_a_broker_of_the_same_kind() -> None:
    app = Celery("shop", set_as_current=False)
    new_style(app)
    assert app_at(app, "redis://other").conf.broker_transport_options == {"global_keyprefix": "shop:"}


def test_the_environment_does_not_lead_back_to_the_first_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Celery("shop", set_as_current=False)
    new_style(app)
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"):
        monkeypatch.setenv(name, "redis://environment")
    other = app_at(app, "redis://other")
    assert Listener(other).uri == "redis://other:6379//"
    assert other.connection_for_read().hostname == "other"


def test_a_subclass_of_celery_with_a_constructor_of_its_own_is_no_obstacle() -> None:
    class Own(Celery):
        def __init__(self, flask: object) -> None:
            super().__init__("shop", set_as_current=False)

    app = Own(object())
    new_style(app)
    assert app_at(app, OTHER).conf.task_default_queue == "mail"


def test_a_url_that_cannot_be_used_is_refused_without_its_password() -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    with pytest.raises(UnusableURL) as refused:
        app_at(app, "redis://ann:s3/cret@host")
    assert "s3" not in str(refused.value)


# Where the URL is given.


def a_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    file = folder / "brokers"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def urls(*given: str, file: Path | None = None, environment: str = "") -> list[str]:
    path = None if file is None else str(file)
    return [url for url, _ in broker_urls(given, path, {BROKERS_VARIABLE: environment} if environment else {})]


def test_urls_are_those_of_the_option_the_file_and_the_environment_each_once(tmp_path: Path) -> None:
    file = a_file(tmp_path, b"# ours\n\n  redis://b  \nredis://a\n")
    assert urls("redis://a", file=file, environment="redis://c\n redis://b") == ["redis://a", "redis://b", "redis://c"]
    assert urls() == [] and urls(environment=" ") == []


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfredis://a\r\nredis://b", b"redis://a\nredis://b\n#"])
def test_a_file_may_be_of_any_editor(tmp_path: Path, content: bytes) -> None:
    assert urls(file=a_file(tmp_path, content)) == ["redis://a", "redis://b"]


@pytest.mark.parametrize("mode", [0o604, 0o606, 0o620, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(InvalidOption, match="--broker-file: expected a file that other users cannot read"):
        urls(file=a_file(tmp_path, b"redis://a\n", mode))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "expected a text file with a URL on each line"),
        (b"# none\n", "expected a text file with a URL on each line"),
        (b"\xff\xfe", "expected a text file with a URL on each line"),
        (b"redis://a\n" * 10_000, "expected a text file with a URL on each line"),
        (b"redis://a\n\nann:s3cret@host\n", "got something else in line 3 of "),
        (b"s3cret", "got something else in line 1 of "),
        (None, "No such file or directory"),
    ],
    ids=lambda one: repr(one)[:20],
)
def test_a_file_without_urls_is_an_error_that_shows_no_password(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "brokers" if content is None else a_file(tmp_path, content)
    with pytest.raises(InvalidOption) as refused:
        urls(file=file)
    text = str(refused.value)
    assert text.startswith("--broker-file: ") and why in text and str(file) in text and "s3cret" not in text


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ({"given": ["redis://ann:s3cret@h"]}, "--broker: expected the URL of a broker that can be used, got 'redis:"),
        ({"environment": "redis://a redis://ann:s3cret@h"}, "GOSSIP_WEB_BROKERS: expected the URL of a broker that"),
    ],
)
def test_an_error_of_the_broker_begins_with_where_its_url_is_given(where: dict[str, Any], shown: str) -> None:
    found = broker_urls(where.get("given", ()), None, {BROKERS_VARIABLE: where.get("environment", "")})
    assert found[-1][1].startswith(shown) and "s3cret" not in found[-1][1]


@pytest.mark.parametrize("text", ["ann:s3cret@host", "ann:s3cret", "host:s3cret/0"])
def test_text_that_is_no_url_is_shown_without_what_may_be_a_password(text: str) -> None:
    with pytest.raises(
        InvalidOption, match="--broker: expected a URL like 'redis://localhost:6379/0', got "
    ) as refused:
        urls(text)
    assert "s3cret" not in str(refused.value)
    with pytest.raises(InvalidOption, match="GOSSIP_WEB_BROKERS: .* got something else as number 1") as refused:
        urls(environment=text)
    assert "s3cret" not in str(refused.value)
