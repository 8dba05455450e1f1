"""Auth: who a viewer is, told by what each request bears: no session, no cookie. Files are read once, at start.

Called by the guard for each request, on its event loop.
"""

import base64
import binascii
import hmac
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Protocol

from celery_gossip.errors import InvalidOption

__all__ = ["Auth", "BasicAuth", "BearerAuth", "HeaderAuth", "parse_auth"]

_EXPECTED = (
    "expected basic:FILE (lines of user:password), bearer:FILE (a token a line) or header:NAME@ADDRESS[,ADDRESS]"
)
_LEAST_SECRET = 12  #: characters of a password or a token
_MOST_BYTES = 64 * 1024
_MOST_NAME = 100  #: characters of a user's name, as it is logged


class Auth(Protocol):
    """A way to tell who asks."""

    @property
    def challenge(self) -> str:
        """What WWW-Authenticate says to who is not known; empty: nothing that they could say would help."""

    def identify(self, headers: Mapping[str, str], peer: str) -> str | None:
        """The user's name; None for nobody. `headers` by lower-case name, `peer` the address that has connected."""


@dataclass(frozen=True, repr=False)
class BasicAuth:
    """User and password (RFC 7617), for browsers."""

    passwords: Mapping[str, str]
    challenge: str = 'Basic realm="celery-gossip", charset="UTF-8"'

    def identify(self, headers: Mapping[str, str], peer: str) -> str | None:
        """See Auth."""
        kind, _, told = headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(told.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        # Unknown users take as long as known ones.
        is_right = hmac.compare_digest(self.passwords.get(user, os.urandom(16).hex()).encode(), password.encode())
        return user if is_right and user in self.passwords else None


@dataclass(frozen=True, repr=False)
class BearerAuth:
    """A token (RFC 6750), for programs: Prometheus, scripts."""

    tokens: tuple[str, ...]
    challenge: str = 'Bearer realm="celery-gossip"'

    def identify(self, headers: Mapping[str, str], peer: str) -> str | None:
        """See Auth."""
        kind, _, told = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        matches = [hmac.compare_digest(token.encode(), told.strip().encode()) for token in self.tokens]
        return f"token {matches.index(True) + 1}" if any(matches) else None


@dataclass(frozen=True)
class HeaderAuth:
    """A header that a reverse proxy sets; believed of connections from its addresses alone."""

    header: str
    peers: tuple[str, ...]  #: addresses or networks
    challenge: str = ""

    def identify(self, headers: Mapping[str, str], peer: str) -> str | None:
        """See Auth."""
        try:
            address = ip_address(peer)
        except ValueError:
            return None
        names = {address, getattr(address, "ipv4_mapped", None) or address}  # as a socket of both families names it
        if not any(name in ip_network(one) for one in self.peers for name in names):
            return None
        user = headers.get(self.header.lower(), "").strip()
        return user[:_MOST_NAME] if user.isprintable() and user else None


def parse_auth(text: str) -> Auth:
    """What `--auth` says. Raises InvalidOption, which shows no secret."""
    kind, _, rest = text.partition(":")
    if kind == "basic" and rest:
        pairs = [line.partition(":") for line in _lines(rest)]
        if not all(user and colon and len(password) >= _LEAST_SECRET for user, colon, password in pairs):
            raise InvalidOption(
                f"auth: expected lines of user:password in {rest!r}, passwords of at least {_LEAST_SECRET} characters"
            )
        return BasicAuth({user: password for user, _, password in pairs})
    if kind == "bearer" and rest:
        tokens = _lines(rest)
        if not all(len(token) >= _LEAST_SECRET and token.isprintable() for token in tokens):
            raise InvalidOption(f"auth: expected a token of at least {_LEAST_SECRET} characters a line in {rest!r}")
        return BearerAuth(tuple(tokens))
    if kind == "header" and "@" in rest:
        return _header_auth(rest)
    raise InvalidOption(f"auth: {_EXPECTED}, got {kind + ':…' if rest else text!r}")


def _header_auth(rest: str) -> HeaderAuth:
    name, _, told = rest.partition("@")
    peers = tuple(told.split(","))
    if not name.replace("-", "").isalnum():
        raise InvalidOption(f"auth: expected the name of a header before the @, got {name!r}")
    for peer in peers:
        try:
            ip_network(peer)
        except ValueError as exc:
            raise InvalidOption(f"auth: expected the addresses of proxies after the @, got {peer!r}: {exc}") from exc
    return HeaderAuth(name, peers)


def _lines(path: str) -> list[str]:
    """Of a file that nobody else may read; never none."""
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = [line.strip() for line in file.read(_MOST_BYTES).splitlines()]
    except (OSError, ValueError) as exc:
        raise InvalidOption(f"auth: cannot read {path!r}: {exc}") from exc
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise InvalidOption(f"auth: others may read {path!r}, or a group write it: chmod o-rwx,g-w")
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise InvalidOption(f"auth: there is nothing in {path!r}")
    return lines
