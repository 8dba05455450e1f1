"""Checks Host headers and addresses, to protect the HTTP servers against DNS rebinding. Pure.

Used by the dashboard and the exporter. A page of another site can make its own name resolve to 127.0.0.1 and then read
the responses of a local server; the Host header still contains that page's name.
"""

import re
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from celery_gossip.errors import InvalidOption

__all__ = [
    "ANY_ADDRESS",
    "LOOPBACK_HOSTS",
    "allowed_hosts",
    "client_group",
    "is_address",
    "is_loopback",
    "parse_host_header",
    "validate_hosts",
]

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\Z")


def validate_hosts(hosts: tuple[str, ...]) -> None:
    """Raise InvalidOption for anything but a host's name or address."""
    for host in hosts:
        if not (_HOST.match(host) or is_address(host)):
            raise InvalidOption(f"hosts: expected a host's name or address without a port, got {host!r}")


def allowed_hosts(bind: str, hosts: tuple[str, ...]) -> frozenset[str]:
    """Return the names of loopback, the bind address and `hosts`, in lower case and without brackets."""
    own = () if bind in ANY_ADDRESS else (bind,)
    return frozenset(host.lower() for host in (*LOOPBACK_HOSTS, *own, *hosts))


def parse_host_header(text: str) -> tuple[str, int | None]:
    """Return name and port of a Host header, the name in lower case without brackets; an empty name if invalid."""
    if any(char in text for char in "@/?#\\") or not text.isprintable() or text != text.strip():
        return "", None
    try:
        parts = urlsplit(f"//{text}")
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None


def is_loopback(bind: str) -> bool:
    """Return True for an address of loopback and for `localhost`; other names are not resolved."""
    return bind == "localhost" or (is_address(bind) and ip_address(bind).is_loopback)


def is_address(text: str) -> bool:
    """Return True for an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def client_group(address: str) -> str:
    """Return the key that counts as one client: an IPv4 address, a /64 network of IPv6, any other text unchanged."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed) >> 64 << 64, 64)))
