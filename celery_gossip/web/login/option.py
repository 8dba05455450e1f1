"""OidcOptions: the content of the file of `--auth oidc:FILE`. Checked once, at start; immutable afterwards."""

import ssl
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from celery_gossip.errors import InvalidOption
from celery_gossip.hosts import is_loopback
from celery_gossip.web.login.session import User
from celery_gossip.wire.messages import DECODE_ERRORS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["NotAdmitted", "OidcOptions", "parse_oidc"]

_MAX_NAME = 100  #: characters of a user's name, which is logged
_MAX_GROUPS = 500  #: of a user
_MAX_GROUP = 200  #: characters
_RESERVED = ("response_type", "client_id", "redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method")

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
_Seconds = Annotated[float, msgspec.Meta(ge=60, le=30 * 86_400)]


class NotAdmitted(Exception):
    """The provider authenticated the user, but the options do not admit them. The text says why, for the log."""


class OidcOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client of an OpenID Connect provider, and the users whom it admits."""

    issuer: _Text  #: exactly as in the provider's discovery document
    client_id: _Text
    client_secret: str = ""  #: empty for a public client, which has PKCE only
    url: _Text  #: of the dashboard, as browsers see it
    scopes: tuple[_Text, ...] = ("openid", "email", "profile")
    users: tuple[_Text, ...] = ()
    groups: tuple[_Text, ...] = ()
    domains: tuple[_Text, ...] = ()  #: of verified email addresses
    allow_all_users: bool = False  #: admit every user whom the provider authenticates
    require: dict[str, str | bool | int] = {}  #: claims that must have these values, in addition to the above
    admins: tuple[_Text, ...] = ()  #: users who may list and end the sessions of others
    admin_groups: tuple[_Text, ...] = ()
    user_claim: _Text = "email"
    groups_claim: _Text = "groups"  #: with dots for a nested claim: realm_access.roles
    trust_unverified_email: bool = False
    session_idle: _Seconds = 2 * 3600.0  #: seconds without a request or an open page
    session_lifetime: _Seconds = 12 * 3600.0
    ca_file: str = ""  #: certificates of a private authority
    authorize_parameters: dict[str, str] = {}  #: such as prompt = "select_account"

    def __repr__(self) -> str:
        return f"OidcOptions(issuer={self.issuer!r}, client_id={self.client_id!r})"

    @property
    def redirect_uri(self) -> str:
        """The address to register at the provider."""
        return f"{self.url}login/callback"

    @property
    def host(self) -> str:
        """Name in `url`, in lower case."""
        return urlsplit(self.url).hostname or ""

    @property
    def base_path(self) -> str:
        """Path in `url`, without the slash at its end."""
        return urlsplit(self.url).path.rstrip("/")

    def admit(self, claims: Mapping[str, Any]) -> User:
        """Return the user with these validated claims. Raises NotAdmitted."""
        name = self._name_in(claims)
        groups = _texts(_claim(claims, self.groups_claim))
        for claim, value in self.require.items():
            if _claim(claims, claim) != value:
                raise NotAdmitted(f"{name}: the claim {claim!r} does not have the required value")
        if not (self.allow_all_users or self._is_listed(name, groups, claims) or self._has_only_required):
            raise NotAdmitted(f"{name}: neither the user, nor a group, nor the domain is listed{_overage(claims)}")
        is_admin = name in self.admins or bool(set(groups) & set(self.admin_groups))
        return User(name, groups, is_admin)

    @property
    def deciding_claims(self) -> frozenset[str]:
        """Names of the claims that decide who is admitted."""
        names = {self.user_claim.partition(".")[0], *self.require}
        if self.groups or self.admin_groups:
            names.add(self.groups_claim.partition(".")[0])
        if "email" in names or self.domains:
            names |= {"email"} if self.trust_unverified_email else {"email", "email_verified"}
        return frozenset(names)

    def _name_in(self, claims: Mapping[str, Any]) -> str:
        name = _claim(claims, self.user_claim)
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or not name.isprintable() or " " in name:
            raise NotAdmitted(f"the claim {self.user_claim!r} is missing, too long, or has spaces")
        if self.user_claim == "email" and not self._is_verified(claims):
            raise NotAdmitted(f"{name}: the provider has not verified this email address")
        return name

    def _is_listed(self, name: str, groups: Sequence[str], claims: Mapping[str, Any]) -> bool:
        email = claims.get("email")
        domain = email.rpartition("@")[2].lower() if isinstance(email, str) and self._is_verified(claims) else ""
        domains = {one.lower() for one in self.domains}
        return name in self.users or bool(set(groups) & set(self.groups)) or (bool(domain) and domain in domains)

    def _is_verified(self, claims: Mapping[str, Any]) -> bool:
        return self.trust_unverified_email or claims.get("email_verified") in (True, "true")

    @property
    def _has_only_required(self) -> bool:
        return bool(self.require) and not (self.users or self.groups or self.domains)


def parse_oidc(text: str, path: str) -> OidcOptions:
    """Return the options in this TOML text. Raises InvalidOption, whose message contains no secret."""
    try:
        options = msgspec.convert(tomllib.loads(text), OidcOptions)
    except DECODE_ERRORS as exc:
        raise InvalidOption(f"auth: expected TOML with the options of oidc in {path!r}: {exc}") from None
    for option, expected in _mistakes(options):
        raise InvalidOption(f"auth: {option}: expected {expected} in {path!r}, got {getattr(options, option)!r}")
    return options


def _mistakes(options: OidcOptions) -> list[tuple[str, str]]:
    """Return `[(option, what was expected)]`; the first is reported. None of these options is secret."""
    issuer, url = _split(options.issuer), _split(options.url)
    checks = (
        ("issuer", issuer is not None, "an https URL without query and fragment"),
        ("url", url is not None and url.endswith("/"), "the https URL of the dashboard, with a slash at its end"),
        ("scopes", "openid" in options.scopes, "the scope openid among others"),
        ("users", _is_restricted(options), "users, groups, domains, require, or allow_all_users = true"),
        ("authorize_parameters", not set(options.authorize_parameters) & set(_RESERVED), "no parameter of OIDC itself"),
        ("session_idle", options.session_idle <= options.session_lifetime, "at most session_lifetime"),
        ("ca_file", _can_be_loaded(options.ca_file), "a readable file of certificates in PEM"),
    )
    return [(option, expected) for option, is_valid, expected in checks if not is_valid]


def _is_restricted(options: OidcOptions) -> bool:
    listed = options.users or options.groups or options.domains or options.require
    return bool(listed) != options.allow_all_users


def _can_be_loaded(ca_file: str) -> bool:
    try:
        ssl.create_default_context(cafile=ca_file or None)
    except OSError:  # also ssl.SSLError
        return False
    return True


def _split(url: str) -> str | None:
    """Return the path of an https URL, or of an http URL of loopback; None for other text."""
    try:
        parts = urlsplit(url)
        name, _ = parts.hostname or "", parts.port
    except ValueError:
        return None
    is_protected = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(name))
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(' "<>\\^`{|}?#;,') and "@" not in parts.netloc
    return parts.path if is_protected and is_plain and name else None


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim of this name; with dots also a nested one."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _texts(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(one for one in values if isinstance(one, str) and 0 < len(one) <= _MAX_GROUP)[:_MAX_GROUPS]


def _overage(claims: Mapping[str, Any]) -> str:
    """Return the hint that Entra leaves out the groups of a user who has more than 200."""
    return "; the provider left out claims (_claim_names): use application roles" if "_claim_names" in claims else ""
