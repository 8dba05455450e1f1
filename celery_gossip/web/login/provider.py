"""Provider: the OpenID Connect provider. The only module that imports Authlib, its JOSE library and its HTTP client.

Called by Login on the server's event loop; no call blocks it, and each has a deadline.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.jws import JWSRegistry

from celery_gossip.hosts import is_loopback
from celery_gossip.web.login.attempt import Attempt
from celery_gossip.web.login.option import OidcOptions

__all__ = ["Provider", "ProviderDown", "TokenRefused"]

#: Signatures with a key pair only: with "none" or HMAC anyone who knows the public key could issue a token.
_ALGORITHMS = tuple(f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512))
_TIMEOUT = 10.0  #: seconds for all requests of one step of a login
_LEEWAY = 60  #: seconds by which the clocks may differ
_METADATA_TTL = 3600.0  #: seconds after which the discovery document and the keys are read again
_KEYS_PAUSE = 30.0  #: seconds between two readings of the keys because of an unknown key
_MAX_RESPONSE = 512 * 1024  #: bytes

_T = TypeVar("_T")


class ProviderDown(Exception):
    """The provider cannot be used: unreachable, too slow, or with an unusable configuration."""


class TokenRefused(Exception):
    """The provider refused the code, or its ID token is not valid for this login."""


@dataclass(frozen=True)
class _Metadata:
    """The provider's endpoints and keys."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    auth_method: str
    keys: KeySet
    read_at: float


class Provider:
    """Reads the provider's configuration at the first login: the dashboard starts even if the provider is down."""

    def __init__(self, options: OidcOptions, clock: Callable[[], float] = time.time, timeout: float = _TIMEOUT) -> None:
        self._options = options
        self._clock = clock
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=options.ca_file or None)
        self._metadata: _Metadata | None = None

    async def authorization_url(self, attempt: Attempt) -> str:
        """Return the address at which the user logs in. Raises ProviderDown."""
        return await self._in_time(self._authorization_url(attempt))

    async def claims(self, code: str, attempt: Attempt) -> dict[str, Any]:
        """Exchange the code and return the claims of the user. Raises ProviderDown or TokenRefused."""
        return await self._in_time(self._claims(code, attempt))

    async def _in_time(self, step: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await asyncio.wait_for(step, self._timeout)
        except asyncio.TimeoutError as exc:  # not the built-in TimeoutError on Python 3.10
            raise ProviderDown(f"no response within {self._timeout:g} s") from exc
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as exc:
            raise ProviderDown(f"{type(exc).__name__}: {exc}") from exc

    async def _authorization_url(self, attempt: Attempt) -> str:
        metadata = await self._load_metadata()
        async with self._client(metadata) as client:
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                **self._options.authorize_parameters,
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
        return str(url)

    async def _claims(self, code: str, attempt: Attempt) -> dict[str, Any]:
        metadata = await self._load_metadata()
        async with self._client(metadata) as client:
            try:
                token = await client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=attempt.verifier,
                )
            except OAuthError as exc:
                raise TokenRefused(f"the provider refused the code: {exc.error}") from exc
            except ValueError as exc:
                raise ProviderDown(f"the token endpoint responded with no token: {exc}") from exc
            claims = await self._id_token_claims(token, attempt, metadata)
            if not self._options.deciding_claims <= claims.keys() and metadata.userinfo_endpoint:
                claims = _merged(claims, await self._userinfo(client, metadata, token, claims["sub"]))
        return claims

    async def _id_token_claims(self, token: Mapping[str, Any], attempt: Attempt, metadata: _Metadata) -> dict[str, Any]:
        text = token.get("id_token")
        if not isinstance(text, str):
            raise TokenRefused("the response has no ID token")
        try:
            try:
                decoded = _decode(text, metadata.keys)
            except InvalidKeyIdError:  # the provider may have new keys
                decoded = _decode(text, await self._newer_keys(metadata))
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self._options.issuer},
                    "aud": {"essential": True, "value": self._options.client_id},
                    "nonce": {"essential": True, "value": attempt.nonce},
                },
                {
                    "nonce": attempt.nonce,
                    "client_id": self._options.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(now=int(self._clock()), leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as exc:
            raise TokenRefused(f"the ID token is not valid: {exc}") from exc
        return dict(claims)

    async def _newer_keys(self, metadata: _Metadata) -> KeySet:
        """Read the keys again, unless that was done just now."""
        if self._clock() - metadata.read_at < _KEYS_PAUSE:
            return metadata.keys
        self._metadata = None
        return (await self._load_metadata()).keys

    async def _userinfo(
        self, client: Any, metadata: _Metadata, token: Mapping[str, Any], subject: str
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token.get('access_token')}"}
        found = await _fetch(client, metadata.userinfo_endpoint, "userinfo_endpoint", headers)
        if found.get("sub") != subject:
            raise TokenRefused("the claims of the userinfo endpoint are of another user")
        return found

    async def _load_metadata(self) -> _Metadata:
        now = self._clock()
        if self._metadata is None or not 0 <= now - self._metadata.read_at < _METADATA_TTL:
            async with self._client(None) as client:
                self._metadata = await self._read_metadata(client, now)
        return self._metadata

    async def _read_metadata(self, client: Any, now: float) -> _Metadata:
        issuer = self._options.issuer
        found = await _fetch(client, f"{issuer.rstrip('/')}/.well-known/openid-configuration", "issuer")
        if found.get("issuer") != issuer:
            raise ProviderDown(
                f"issuer: expected {issuer!r}, which its discovery document calls {found.get('issuer')!r}"
            )
        urls = {name: found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        userinfo = found.get("userinfo_endpoint")
        for name, url in {**urls, **({"userinfo_endpoint": userinfo} if userinfo else {})}.items():
            if not _is_protected(url):
                raise ProviderDown(f"{name}: expected an https URL in the discovery document, got {url!r:.200}")
        keys = _usable_keys(await _fetch(client, str(urls["jwks_uri"]), "jwks_uri"))
        auth_method = _auth_method(found.get("token_endpoint_auth_methods_supported"), self._options.client_secret)
        return _Metadata(
            **{name: str(url) for name, url in urls.items()},
            userinfo_endpoint=str(userinfo or ""),
            auth_method=auth_method,
            keys=keys,
            read_at=now,
        )

    def _client(self, metadata: _Metadata | None) -> "_Client":
        """Return a client for a few requests. Logins are rare, so that connections are not kept."""
        options = self._options
        return _Client(
            options.client_id,
            options.client_secret or None,
            token_endpoint_auth_method=metadata.auth_method if metadata else None,
            scope=" ".join(options.scopes),
            redirect_uri=options.redirect_uri,
            code_challenge_method="S256",
            verify=self._tls,
            timeout=self._timeout,
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},  # the bound of a response is that of its bytes
        )


class _Client(AsyncOAuth2Client):  # type: ignore[misc]  # Authlib has no types
    """Authlib's client with a bound for responses."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Return the response with its body. Raises HTTPError for one that is too long or encoded."""
        response: httpx2.Response = await super().send(request, **{**options, "stream": True})
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise httpx2.DecodingError("the response is encoded", request=request)
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MAX_RESPONSE:
                    raise httpx2.ReadError(f"the response is longer than {_MAX_RESPONSE:,} bytes", request=request)
        finally:
            await response.aclose()
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"transfer-encoding"]
        return httpx2.Response(response.status_code, headers=headers, content=bytes(body), request=request)


async def _fetch(client: Any, url: str, name: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON object at a URL. Raises ProviderDown."""
    response = await client.request("GET", url, withhold_token=True, headers=headers)
    try:
        found = response.json() if response.status_code == 200 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProviderDown(f"{name}: expected a JSON object at {url}, got status {response.status_code}")
    return found


def _decode(text: str, keys: KeySet) -> jwt.Token:
    return jwt.decode(text, keys, registry=JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False))


def _usable_keys(found: Mapping[str, Any]) -> KeySet:
    """Return the keys for signatures. A provider may publish others, of kinds that the library does not know."""
    keys: list[Key] = []
    published = found.get("keys")
    for key in published if isinstance(published, list) else []:
        if not isinstance(key, dict) or key.get("use", "sig") != "sig" or key.get("kty") not in ("RSA", "EC"):
            continue
        try:
            keys.append(JWKRegistry.import_key(key))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    if not keys:
        raise ProviderDown("jwks_uri: expected at least one RSA or EC key for signatures")
    return KeySet(keys)


def _merged(claims: dict[str, Any], userinfo: dict[str, Any]) -> dict[str, Any]:
    """Return all claims; those of the ID token are signed and come first."""
    merged = {**userinfo, **claims}
    if "email_verified" not in claims and merged.get("email") != userinfo.get("email"):
        merged.pop("email_verified", None)  # it is about another address
    return merged


def _auth_method(supported: Any, secret: str) -> str:
    """Return how the client authenticates at the token endpoint; the default is that of OIDC Discovery."""
    if not secret:
        return "none"
    methods = supported if isinstance(supported, list) else ["client_secret_basic"]
    return "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"


def _is_protected(url: Any) -> bool:
    """Return whether this is an https URL, or an http URL of loopback."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
    except ValueError:
        return False
    return bool(name) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(name)))
