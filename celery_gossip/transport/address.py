"""Addresses of brokers: URLs of a setting, and the address to display, never with a password. Pure.

Called when a broker is opened and when a connection is made.
"""

import re
from typing import Any

from celery_gossip.errors import UnusableURL
from celery_gossip.options import redact_passwords

__all__ = [
    "ENCODING_HINT",
    "address_after_switch",
    "address_of",
    "require_unambiguous",
    "split_urls",
]

#: How an error about a URL ends.
ENCODING_HINT = ": percent-encode special characters in its user, password and path ('/' is %2F, '@' is %40)"


def address_of(connection: Any) -> str:
    """Return the address of this kombu.Connection without its password."""
    uri = str(connection.as_uri()).replace("//:**@", "//")  # Kombu masks an empty password too
    may_hold_password = connection.userid and not connection.password  # a password written in the place of the user
    return redact_passwords(uri) if may_hold_password else uri


def address_after_switch(connection: Any, url: str) -> str:
    """Switch this unconnected kombu.Connection to one of its failover URLs; return the address without its password."""
    try:
        connection.switch(url)
        return address_of(connection)
    except Exception:  # Kombu raises the same error when it connects to this URL
        return redact_passwords(url)


def split_urls(urls: Any) -> list[str]:
    """Return the URLs of a setting: one URL, several separated by `;`, or a list of them."""
    return ";".join(urls if isinstance(urls, (list, tuple)) else [urls or ""]).split(";")


def require_unambiguous(urls: Any) -> None:
    """Raise UnusableURL if a part of the password could be parsed as a host, a port or a path, and then be logged."""
    for url in split_urls(urls):
        _, _, rest = url.partition("://")
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        if url.count("@") != authority.count("@"):
            raise UnusableURL(f"the broker's URL can be parsed in two ways{ENCODING_HINT}")
