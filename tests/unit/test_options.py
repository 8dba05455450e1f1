"""Options are checked once, name what is wrong with them, and follow flag > keyword > setting > default."""

import dataclasses
from typing import Any

import pytest
from celery import Celery

from celery_gossip.errors import GossipError, InvalidOption
from celery_gossip.options import (
    GossipOptions,
    as_dict,
    build_options,
    install_keywords,
    resolve,
    settings_of,
    store_install_keywords,
)

SECONDS = "a finite number of seconds above 0"
EXCHANGE = "a name of 1 to 127 characters from a-z, 0-9 and _"
URL = "a broker URL like"
PATH = "the path of a file or None"
COUNT = "a whole number from 0 to 10000"

WRONG_VALUES = [
    ("interval", 0, SECONDS),
    ("interval", 0.0, SECONDS),
    ("interval", -1, SECONDS),
    ("interval", float("nan"), SECONDS),
    ("interval", float("inf"), SECONDS),
    ("interval", True, SECONDS),
    ("interval", "1", SECONDS),
    ("interval", None, SECONDS),
    ("interval", [1.0], SECONDS),
    ("exchange", "", EXCHANGE),
    ("exchange", "Gossip", EXCHANGE),
    ("exchange", "a.b", EXCHANGE),
    ("exchange", "a/b", EXCHANGE),
    ("exchange", "a b", EXCHANGE),
    ("exchange", "gossip\n", EXCHANGE),
    ("exchange", "größe", EXCHANGE),
    ("exchange", "a" * 128, EXCHANGE),
    ("exchange", None, EXCHANGE),
    ("exchange", b"gossip", EXCHANGE),
    ("broker_url", "localhost", URL),
    ("broker_url", "", URL),
    ("broker_url", 6379, URL),
    ("broker_url", ["redis://localhost"], URL),
    ("active_limit", -1, COUNT),
    ("active_limit", 10_001, COUNT),
    ("active_limit", 1.0, COUNT),
    ("active_limit", True, COUNT),
    ("active_limit", "100", COUNT),
    ("active_limit", None, COUNT),
    ("health_file", "", PATH),
    ("health_file", 1, PATH),
    ("health_file", True, PATH),
    ("health_file", b"/run/health", PATH),
    ("health_file", "/run/\0health", PATH),
    ("secret_file", "", PATH),
    ("secret_file", 1, PATH),
    ("secret_file", "/run/\0secret", PATH),
    ("refuse_unverified", 1, "True or False"),
    ("release", "x" * 65, "a printable text of at most 64 characters, or None"),
    ("release", "a\nb", "a printable text of at most 64 characters, or None"),
    ("release", 41, "a printable text of at most 64 characters, or None"),
    ("release", b"v41", "a printable text of at most 64 characters, or None"),
    ("stacks", "on", "one of 'off', 'stalled'"),
    ("stacks", True, "one of 'off', 'stalled'"),
    ("stacks", None, "one of 'off', 'stalled'"),
    ("stacks", ["off"], "one of 'off', 'stalled'"),
    ("failure_details", True, "one of 'off', 'message', 'traceback'"),
    ("failure_details", "all", "one of 'off', 'message', 'traceback'"),
    ("enabled", 1, "True or False"),
    ("enabled", "yes", "True or False"),
    ("enabled", None, "True or False"),
]


@pytest.fixture
def app() -> Celery:
    return Celery("shop", set_as_current=False)


@pytest.mark.parametrize(("name", "value", "expected"), WRONG_VALUES, ids=lambda value: repr(value)[:30])
def test_a_wrong_value_is_refused_with_option_expectation_and_value(name: str, value: Any, expected: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        build_options({name: value})
    assert str(refused.value).startswith(f"gossip_{name}: expected {expected}")
    assert str(refused.value).endswith(f"got {value!r}")


@pytest.mark.parametrize("option", ["interval", "active_limit"])
@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_too_large_for_python_itself_is_refused_like_any_other(option: str, digits: int) -> None:
    with pytest.raises(InvalidOption, match=f"gossip_{option}: expected"):
        build_options({option: 10**digits})


@pytest.mark.parametrize(
    "values",
    [
        {"interval": 1},
        {"interval": 0.001},
        {"interval": 3600.0},
        {"exchange": "a"},
        {"exchange": "a_9" * 42},
        {"broker_url": None},
        {"broker_url": "redis://localhost/1"},
        {"active_limit": 0},
        {"active_limit": 10_000},
        {"health_file": None},
        {"health_file": "/run/celery/%n.health"},
        {"health_file": "run/health"},
        {"enabled": False},
        {"secret": None},
        {"secret": "k" * 16},
        {"secret": "k" * 1024},
        {"secret": ["k" * 16, "größe 0123456789"]},
        {"secret": ("k" * 16,), "refuse_unverified": True},
        {"secret_file": "/run/secrets/gossip", "refuse_unverified": True},
    ],
    ids=repr,
)
def test_a_good_value_is_taken_as_it_is(values: dict[str, Any]) -> None:
    options = build_options(values)
    assert {name: getattr(options, name) for name in values} == values


def test_options_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GossipOptions().interval = 2.0  # type: ignore[misc]


def test_an_invalid_option_is_both_a_gossip_error_and_a_value_error() -> None:
    assert issubclass(InvalidOption, GossipError) and issubclass(InvalidOption, ValueError)


@pytest.mark.parametrize(
    ("misspelt", "nearest"),
    [("intervall", "interval"), ("broker", "broker_url"), ("Interval", "interval"), ("actve_limit", "active_limit")],
)
def test_an_unknown_keyword_is_refused_with_the_nearest_known_one(misspelt: str, nearest: str) -> None:
    with pytest.raises(InvalidOption, match=f"unknown option '{misspelt}' of celery-gossip: did you mean '{nearest}'"):
        build_options({misspelt: 1})


def test_a_keyword_like_no_other_is_refused_with_all_known_ones() -> None:
    with pytest.raises(InvalidOption, match="known are interval, .*, active_limit, health_file, secret, .*, enabled"):
        build_options({"zzz": 1})


def test_an_unknown_setting_is_refused_with_the_nearest_known_one(app: Celery) -> None:
    app.conf.gossip_intervall = 1.0
    with pytest.raises(
        InvalidOption, match="unknown setting 'gossip_intervall' of celery-gossip: did you mean 'gossip_interval'"
    ):
        resolve(app)


def test_a_bad_setting_is_named_with_its_prefix(app: Celery) -> None:
    app.conf.gossip_interval = "soon"
    with pytest.raises(
        InvalidOption,
        match="gossip_interval: expected a finite number of seconds above 0 and at most 86400, got 'soon'",
    ):
        resolve(app)


def test_without_any_setting_the_defaults_hold(app: Celery) -> None:
    assert resolve(app) == GossipOptions(
        interval=1.0, exchange="celery_gossip", broker_url=None, active_limit=100, stacks="stalled", enabled=True
    )


@pytest.mark.parametrize(
    ("flag", "keyword", "setting", "expected"),
    [
        (None, None, None, 1.0),
        (None, None, 4.0, 4.0),
        (None, 3.0, 4.0, 3.0),
        (2.0, 3.0, 4.0, 2.0),
        (2.0, None, 4.0, 2.0),
    ],
)
def test_a_flag_goes_before_a_keyword_before_a_setting_before_the_default(
    app: Celery, flag: float | None, keyword: float | None, setting: float | None, expected: float
) -> None:
    if setting is not None:
        app.conf.gossip_interval = setting
    store_install_keywords(app, {} if keyword is None else {"interval": keyword})
    assert resolve(app, interval=flag).interval == expected


def test_options_of_different_sources_go_together(app: Celery) -> None:
    app.conf.gossip_exchange = "from_setting"
    store_install_keywords(app, {"active_limit": 7})
    options = resolve(app, interval=2.5)
    assert (options.exchange, options.active_limit, options.interval) == ("from_setting", 7, 2.5)


def test_a_bad_flag_is_refused(app: Celery) -> None:
    with pytest.raises(InvalidOption, match="gossip_interval"):
        resolve(app, interval=-1.0)


def test_keywords_given_a_second_time_are_left_out(app: Celery) -> None:
    assert store_install_keywords(app, {"interval": 2.0}) is True
    assert store_install_keywords(app, {"interval": 9.0}) is False
    assert install_keywords(app) == {"interval": 2.0}


def test_keywords_belong_to_one_app(app: Celery) -> None:
    store_install_keywords(app, {"interval": 2.0})
    assert install_keywords(Celery("other", set_as_current=False)) == {}


class DjangoSettings:
    CELERY_GOSSIP_INTERVAL = 2.5
    CELERY_GOSSIP_ACTIVE_LIMIT = 5
    CELERY_TASK_IGNORE_RESULT = True
    GOSSIP_SOMETHING_OF_ANOTHER_PACKAGE = "not ours"
    DEBUG = True


def test_settings_of_a_django_namespace_are_read(app: Celery) -> None:
    app.config_from_object(DjangoSettings, namespace="CELERY")
    options = resolve(app)
    assert (options.interval, options.active_limit) == (2.5, 5)


def test_in_a_namespace_only_settings_that_carry_it_are_ours(app: Celery) -> None:
    app.config_from_object(DjangoSettings, namespace="CELERY")
    assert set(settings_of(app.conf)) == {"interval", "active_limit"}


def test_a_misspelt_setting_in_a_namespace_is_refused(app: Celery) -> None:
    class Misspelt:
        CELERY_GOSSIP_INTERVALL = 1.0

    app.config_from_object(Misspelt, namespace="CELERY")
    with pytest.raises(InvalidOption, match="did you mean 'gossip_interval'"):
        resolve(app)


def test_a_keyword_goes_before_a_setting_of_a_namespace(app: Celery) -> None:
    app.config_from_object(DjangoSettings, namespace="CELERY")
    store_install_keywords(app, {"interval": 1.5})
    assert resolve(app).interval == 1.5


def test_settings_of_a_plain_configuration_object_are_read(app: Celery) -> None:
    class Plain:
        gossip_exchange = "other"
        task_ignore_result = True

    app.config_from_object(Plain)
    assert resolve(app).exchange == "other"


@pytest.mark.parametrize(
    "url",
    [
        "amqp//user:s3cret@host",
        b"redis://:s3cret@host/0",
        ["redis://user:s3cret@host/0", "redis://user:s3cret@other/0"],
        "user:s3cret@host",
    ],
)
def test_an_error_never_shows_a_password(url: Any) -> None:
    with pytest.raises(InvalidOption) as refused:
        build_options({"broker_url": url})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("password", ["s3cret", "s3@cret", "s3:cret"])
def test_options_fit_to_be_shown_hold_no_password(password: str) -> None:
    shown = as_dict(GossipOptions(broker_url=f"redis://user:{password}@host:6379/0"))
    assert "cret" not in str(shown["broker_url"]) and "host:6379/0" in str(shown["broker_url"])


def test_options_without_a_broker_of_their_own_are_shown_so() -> None:
    assert as_dict(GossipOptions())["broker_url"] is None


SECRET = "s3cret of sixteen or more"


@pytest.mark.parametrize(
    "secret",
    [
        "s3cret",
        "s3cret" * 1000,
        f" {SECRET}",
        f"{SECRET}\n",
        f"{SECRET}\ud800",
        SECRET.encode(),
        [],
        (),
        [SECRET, "s3cret"],
        [SECRET, None],
        [SECRET, SECRET + "2", SECRET + "3"],
        {SECRET},
        {SECRET: SECRET},
        iter([SECRET]),
        1,
        True,
        "",
    ],
    ids=lambda secret: repr(secret)[:20],
)
def test_a_bad_secret_is_refused_and_not_shown(secret: Any) -> None:
    with pytest.raises(InvalidOption) as refused:
        build_options({"secret": secret})
    assert str(refused.value) == (
        "gossip_secret: expected a text of 16 to 1024 characters without white space around it, "
        "or a list of one or two such keys; the value is not shown"
    )


def test_a_secret_is_given_in_one_way() -> None:
    with pytest.raises(InvalidOption, match="gossip_secret_file: expected None, because") as refused:
        build_options({"secret": SECRET, "secret_file": "/run/secrets/gossip"})
    assert SECRET not in str(refused.value)


def test_without_a_secret_nothing_can_be_verified_and_so_nothing_refused() -> None:
    with pytest.raises(InvalidOption, match="gossip_refuse_unverified: expected False, because"):
        build_options({"refuse_unverified": True})


def test_a_secret_and_what_goes_with_it_may_come_from_different_sources(app: Celery) -> None:
    store_install_keywords(app, {"secret": SECRET})
    app.conf.gossip_refuse_unverified = False
    assert resolve(app).secret == SECRET


@pytest.mark.parametrize("secret", [SECRET, [SECRET, SECRET + "2"]])
def test_options_show_that_there_is_a_secret_and_no_more(secret: Any) -> None:
    options = GossipOptions(secret=secret, broker_url="redis://user:s3cret@host/0")
    assert as_dict(options)["secret"] == "***"
    for shown in (repr(options), str(options), f"{options}", repr([options]), repr(as_dict(options))):
        assert "s3cret" not in shown and "host/0" in shown
    assert repr(options).startswith("GossipOptions(interval=1.0, exchange='celery_gossip', broker_url='redis://")
    assert as_dict(GossipOptions())["secret"] is None


def test_celery_itself_shows_no_secret(app: Celery) -> None:
    """In `celery report` and `celery inspect conf`: of settings by their names, and of keywords it knows nothing."""
    app.conf.update(gossip_secret=SECRET)
    store_install_keywords(app, {"broker_url": "redis://user:s3cret@host/0"})
    assert "s3cret" not in app.conf.humanize(with_defaults=False) + repr(app.conf.table())
