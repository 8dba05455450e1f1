"""Auth: authenticates each request by its headers. Files are read once, at start.

Called by Security for each request, on the server's event loop. Sessions of users who log in are those of the package
`login`; OidcAuth is only their configuration.
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
from celery_gossip.web.login.option import OidcOptions, parse_oidc

__all__ = [
    "Auth",
    "AuthChain",
    "BasicAuth",
    "BearerAuth",
    "HeaderAuth",
    "OidcAuth",
    "oidc_options",
    "parse_auth",
    "user_headers",
]

_EXPECTED = (
    "expected basic:FILE (lines of user:password), bearer:FILE (a token a line), oidc:FILE (TOML) or "
    "header:NAME@ADDRESS[,ADDRESS]"
)
_MIN_SECRET = 12  #: characters of a password or a token
_MAX_FILE = 64 * 1024  #: bytes that are read
_MAX_USER = 100  #: characters of a user name, which is logged


class Auth(Protocol):
    """A way to authenticate a request."""

    @property
    def challenge(self) -> str:
        """Return the header WWW-Authenticate of a 401 response; empty if a client cannot send credentials itself."""

    def identify(self, headers: Mapping[str, str], peer: str) -> str | None:
        """Return the user name; None for wrong or missing credentials.

        `headers` are by lower-case name, `peer` is the address of the connection.
        """


@dataclass(frozen=True, repr=False)
class BasicAuth:
    """User and password (RFC 7617), for browsers."""

    passwords: Mapping[str, str]
    challenge: str = 'Basic realm="celery-gossip", charset="UTF-8"'

    def identify(self, headers: Mapping[str, str], peer: str) -> str | None:
        """Return the user name; see Auth."""
        kind, _, encoded = headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        # Compare for unknown users as well, so that response times do not show which users exist.
        is_right = hmac.compare_digest(self.passwords.get(user, os.urandom(16).hex()).encode(), password.encode())
        return user if is_right and user in self.passwords else None


@dataclass(frozen=True, repr=False)
class BearerAuth:
    """A token (RFC 6750), for programs such as Prometheus and scripts."""

    tokens: tuple[str, ...]
    challenge: str = 'Bearer realm="celery-gossip"'

    def identify(self, headers: Mapping[str, str], peer: str) -> str | None:
        """Return the user name; see Auth."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        matches = [hmac.compare_digest(token.encode(), given.strip().encode()) for token in self.tokens]
        return f"token {matches.index(True) + 1}" if any(matches) else None


@dataclass(frozen=True)
class HeaderAuth:
    """A header that a reverse proxy sets; accepted only on connections from the addresses of the proxy."""

    header: str
    peers: tuple[str, ...]  #: addresses or networks
    challenge: str = ""

    def identify(self, headers: Mapping[str, str], peer: str) -> str | None:
        """Return the user name; see Auth."""
        try:
            address = ip_address(peer)
        except ValueError:
            return None
        # Dual-stack sockets report IPv4 peers as mapped IPv6 addresses.
        addresses = {address, getattr(address, "ipv4_mapped", None) or address}
        if not any(one in ip_network(network) for network in self.peers for one in addresses):
            return None
        user = headers.get(self.header.lower(), "").strip()
        return user[:_MAX_USER] if user.isprintable() and user else None


@dataclass(frozen=True)
class OidcAuth:
    """Login through an OpenID Connect provider. A user is then known by the session of their browser."""

    options: OidcOptions
    challenge: str = ""

    def identify(self, headers: Mapping[str, str], peer: str) -> str | None:
        """Return None: sessions are kept by Login."""
        return None


@dataclass(frozen=True)
class AuthChain:
    """Several ways to authenticate; the first that knows the user decides."""

    members: tuple[Auth, ...]

    @property
    def challenge(self) -> str:
        """Return all challenges."""
        return ", ".join(one.challenge for one in self.members if one.challenge)

    def identify(self, headers: Mapping[str, str], peer: str) -> str | None:
        """Return the user name; see Auth."""
        users = (one.identify(headers, peer) for one in self.members)
        return next((user for user in users if user is not None), None)


def oidc_options(auth: Auth | None) -> OidcOptions | None:
    """Return the options of logins; None without them."""
    return next((one.options for one in _members(auth) if isinstance(one, OidcAuth)), None)


def user_headers(auth: Auth | None) -> frozenset[str]:
    """Return the lower-case names of the headers by which users are authenticated, beside Authorization."""
    return frozenset(one.header.lower() for one in _members(auth) if isinstance(one, HeaderAuth))


def _members(auth: Auth | None) -> tuple[Auth, ...]:
    return () if auth is None else auth.members if isinstance(auth, AuthChain) else (auth,)


def parse_auth(*texts: str) -> Auth:
    """Return the authentication for the values of `--auth`. Raises InvalidOption, whose message contains no secret."""
    kinds = [text.partition(":")[0] for text in texts]
    for kind in ("basic", "bearer", "header", "oidc"):
        if kinds.count(kind) > 1:
            raise InvalidOption(f"auth: expected each kind once, got {kind} several times")
    members = tuple(map(_parse_one, texts))
    return members[0] if len(members) == 1 else AuthChain(members)


def _parse_one(text: str) -> Auth:
    kind, _, rest = text.partition(":")
    if kind == "basic" and rest:
        pairs = [line.partition(":") for line in _read_secret_lines(rest)]
        if not all(user and colon and len(password) >= _MIN_SECRET for user, colon, password in pairs):
            raise InvalidOption(
                f"auth: expected lines of user:password in {rest!r}, passwords of at least {_MIN_SECRET} characters"
            )
        return BasicAuth({user: password for user, _, password in pairs})
    if kind == "bearer" and rest:
        tokens = _read_secret_lines(rest)
        if not all(len(token) >= _MIN_SECRET and token.isprintable() for token in tokens):
            raise InvalidOption(f"auth: expected a token of at least {_MIN_SECRET} characters a line in {rest!r}")
        return BearerAuth(tuple(tokens))
    if kind == "oidc" and rest:
        return _oidc_auth(rest)
    if kind == "header" and "@" in rest:
        return _header_auth(rest)
    raise InvalidOption(f"auth: {_EXPECTED}, got {kind + ':…' if rest else text!r}")


def _header_auth(rest: str) -> HeaderAuth:
    name, _, addresses = rest.partition("@")
    peers = tuple(addresses.split(","))
    if not name.replace("-", "").isalnum():
        raise InvalidOption(f"auth: expected the name of a header before the @, got {name!r}")
    for peer in peers:
        try:
            ip_network(peer)
        except ValueError as exc:
            raise InvalidOption(f"auth: expected the addresses of proxies after the @, got {peer!r}: {exc}") from exc
    return HeaderAuth(name, peers)


def _oidc_auth(path: str) -> OidcAuth:
    options = parse_oidc(_read_secret(path), path)
    try:
        from celery_gossip.web.login import provider  # noqa: F401 - fail now, not at the first login
    except ModuleNotFoundError as exc:
        raise InvalidOption(f'auth: oidc needs {exc.name}: pip install "celery-gossip[oidc]"') from exc
    return OidcAuth(options)


def _read_secret_lines(path: str) -> list[str]:
    """Return the lines of a file that other users may not read. Raises InvalidOption, also for an empty file."""
    lines = [line.strip() for line in _read_secret(path).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise InvalidOption(f"auth: {path!r} is empty")
    return lines


def _read_secret(path: str) -> str:
    """Return the content of a file that other users may not read. Raises InvalidOption."""
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MAX_FILE)
    except (OSError, ValueError) as exc:
        raise InvalidOption(f"auth: cannot read {path!r}: {exc}") from exc
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise InvalidOption(f"auth: other users can read {path!r}, or its group can write it: chmod o-rwx,g-w")
    return content
