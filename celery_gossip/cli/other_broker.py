"""The same Celery app on another broker, and the URLs of the other brokers. Called by `celery gossip web`."""

from collections.abc import Mapping, Sequence
from typing import Any

from celery import Celery
from celery.app.defaults import DEFAULTS

from celery_gossip.cli.secret_file import read_secret_lines
from celery_gossip.errors import InvalidOption
from celery_gossip.options import GossipOptions, install_keywords, redact_passwords, settings_of, store_install_keywords
from celery_gossip.transport.broker import Broker, open_task_broker

__all__ = ["BROKERS_VARIABLE", "app_at", "broker_urls"]

BROKERS_VARIABLE = "GOSSIP_WEB_BROKERS"  #: environment variable with URLs of brokers, separated by white space

_BROKER_URLS = ("broker_url", "broker_read_url", "broker_write_url")
#: Settings that Kombu passes to the client library. The library of another kind of broker does not know them.
_TRANSPORT_SETTINGS = ("broker_transport_options", "broker_use_ssl", "broker_login_method", "broker_transport")


def app_at(app: Any, url: str) -> Celery:
    """Return an app with the settings of `app` and this broker for every connection.

    Settings are read by their present lower-case names, under which Celery also finds old names, upper case and names
    with a namespace (Django's `CELERY_`). Copied as they are written, old and present names would be mixed, which
    Celery refuses. Settings of the transport are kept only where the other broker is of the same kind.

    Raises UnusableURL, or what Kombu raises for an unknown scheme and for a library that is not installed.
    """
    settings = {name: app.conf.get(name, default) for name, default in DEFAULTS.items()}
    settings = {name: value for name, value in settings.items() if value != DEFAULTS[name]}
    other = Celery(app.main, amqp=app.amqp_cls, control=app.control_cls, set_as_current=False)
    if Broker(other, GossipOptions(broker_url=url)).driver_type != open_task_broker(app).driver_type:
        settings = {name: value for name, value in settings.items() if name not in _TRANSPORT_SETTINGS}
    gossip = {f"gossip_{name}": value for name, value in settings_of(app.conf).items()}
    other.conf.update({**settings, **gossip, **dict.fromkeys(_BROKER_URLS, url), "gossip_broker_url": None})
    keywords = {name: value for name, value in install_keywords(app).items() if name != "broker_url"}
    store_install_keywords(other, keywords)
    # CELERY_BROKER_READ_URL and CELERY_BROKER_WRITE_URL in the environment take precedence over all settings.
    read, write = other.connection_for_read, other.connection_for_write
    other.connection_for_read = lambda url=url, **options: read(url, **options)
    other.connection_for_write = lambda url=url, **options: write(url, **options)
    return other


def broker_urls(given: Sequence[str], path: str | None, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return `(url, beginning of every error about it)` for each distinct URL in the option, file and environment.

    An error about a URL of the file or the environment shows its position and never the URL. Raises InvalidOption for a
    file that cannot be used (see read_secret_lines), and for text that is not a URL.
    """
    entries = [("--broker", url, f"got {_shown(url)!r}") for url in given]
    if path is not None:
        lines = read_secret_lines("--broker-file", path, "a text file with a URL on each line")
        entries += [("--broker-file", url, f"got something else in line {number} of {path!r}") for number, url in lines]
    in_environment = enumerate(environ.get(BROKERS_VARIABLE, "").split(), start=1)
    entries += [(BROKERS_VARIABLE, url, f"got something else as number {number}") for number, url in in_environment]
    urls: dict[str, str] = {}
    for option, url, got in entries:
        if "://" not in url:
            raise InvalidOption(f"{option}: expected a URL like 'redis://localhost:6379/0', {got}")
        urls.setdefault(url, f"{option}: expected the URL of a broker that can be used, {got}: ")
    return list(urls.items())


def _shown(url: str) -> str:
    """Return the URL without its password; text without a scheme is treated as a URL of Redis."""
    scheme = "" if "://" in url else "redis://"
    return redact_passwords(scheme + url).removeprefix(scheme)
