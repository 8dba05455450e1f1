"""A small OpenID Connect provider on loopback, which can misbehave: an RSA key, discovery, authorization code, PKCE."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.support.brokers import free_port

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "OidcProvider", "serve_provider"]

CLIENT_ID, CLIENT_SECRET = "gossip client", "s3cret:with/odd%characters"
_KEY, _OTHER_KEY = (RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}, private=True) for kid in ("one", "other"))
_TURN = 0.05  #: seconds


class OidcProvider:
    """The state of a provider. `faults` says what it does wrong; `claims` are those of the user who logs in."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}/realms/ops"
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.faults: set[str] = set()
        self.paths: list[str] = []  #: of all requests
        self.keys: list[Any] = [_KEY]
        self.algorithm = "RS256"
        self._codes: dict[str, dict[str, str]] = {}

    def reset(self) -> None:
        """Return to a provider without faults, at which Ann logs in."""
        self.claims = {"sub": "ann-1", "email": "ann@example.com", "email_verified": True, "groups": ["ops", "dev"]}
        self.userinfo = {}
        self.faults = set()
        self.paths = []
        self.use_key(_KEY)

    def use_key(self, key: Any, algorithm: str = "RS256") -> None:
        """Sign with another key from now on."""
        self.keys, self.algorithm = [key], algorithm

    def application(self) -> Starlette:
        """Return the ASGI application."""
        prefix = "/realms/ops"
        return Starlette(
            routes=[
                Route(f"{prefix}/.well-known/openid-configuration", self._discovery),
                Route(f"{prefix}/authorize", self._authorize),
                Route(f"{prefix}/token", self._token, methods=["POST"]),
                Route(f"{prefix}/keys", self._jwks),
                Route(f"{prefix}/userinfo", self._userinfo),
            ]
        )

    async def _fault(self, request: Request) -> Response | None:
        self.paths.append(request.url.path.rpartition("/")[2])
        while "held" in self.faults:  # until the test takes it away
            await asyncio.sleep(_TURN)
        if "down" in self.faults:
            return Response("maintenance", 503)
        if "huge" in self.faults:
            return JSONResponse({"issuer": "x" * 1_000_000})
        return JSONResponse([1]) if "not an object" in self.faults else None

    async def _discovery(self, request: Request) -> Response:
        if response := await self._fault(request):
            return response
        issuer = "https://evil.example" if "other issuer" in self.faults else self.issuer
        token = "http://evil.example/token" if "plain endpoint" in self.faults else f"{self.issuer}/token"
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": token,
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "token_endpoint_auth_methods_supported": (
                    ["client_secret_post"] if "post only" in self.faults else ["client_secret_basic"]
                ),
            }
        )

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        assert (query["client_id"], query["response_type"]) == (CLIENT_ID, "code")
        assert query["code_challenge_method"] == "S256" and "openid" in query["scope"].split()
        assert query["state"] and query["nonce"] and query["code_challenge"]
        answer = {"state": query["state"], "iss": self.issuer}
        if "denied" in self.faults:
            answer |= {"error": "access_denied", "error_description": "<b>no</b>"}
        else:
            code = f"code-{len(self._codes)}"
            self._codes[code] = query
            answer["code"] = code
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer)}", 302)

    async def _token(self, request: Request) -> Response:
        if response := await self._fault(request):
            return response
        form = dict(parse_qsl((await request.body()).decode()))
        query = self._codes.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        is_valid = (
            query is not None
            and self._is_client(request, form)
            and form["grant_type"] == "authorization_code"
            and form["redirect_uri"] == query["redirect_uri"]
            and base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == query["code_challenge"]
        )
        if query is None or not is_valid:
            return JSONResponse({"error": "invalid_grant"}, 400)
        tokens = {"access_token": "access", "token_type": "Bearer", "expires_in": 60}
        return JSONResponse(tokens if "no ID token" in self.faults else {**tokens, "id_token": self._id_token(query)})

    def _is_client(self, request: Request, form: dict[str, str]) -> bool:
        if "post only" in self.faults:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        given = base64.b64decode(request.headers.get("authorization", "").partition(" ")[2]).decode()
        return given == f"{CLIENT_ID}:{CLIENT_SECRET}"

    def _id_token(self, query: dict[str, str]) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": query["nonce"],
            **self.claims,
            **{
                "wrong nonce": {"nonce": "another"},
                "wrong audience": {"aud": "another"},
                "two audiences": {"aud": [CLIENT_ID, "another"]},
                "another party": {"aud": [CLIENT_ID, "another"], "azp": "another"},
                "wrong issuer": {"iss": "https://evil.example"},
                "expired": {"iat": now - 900, "exp": now - 300},
                "of the future": {"iat": now + 300},
                "wrong token hash": {"at_hash": "AAAA"},
            }.get(next(iter(self.faults), ""), {}),
        }
        for claim in ("nonce", "exp", "sub", "iat", "aud"):
            if f"without {claim}" in self.faults:
                del claims[claim]
        header = {"alg": self.algorithm, "kid": self.keys[0].kid}
        if "unsigned" in self.faults:
            return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."
        if "signed with the public key" in self.faults:
            signed = f"{_encoded({**header, 'alg': 'HS256'})}.{_encoded(claims)}"
            signature = hmac.digest(self.keys[0].as_pem(private=False), signed.encode(), "sha256")
            return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        key = self.keys[0]
        if "another key" in self.faults:
            key = RSAKey.import_key(_OTHER_KEY.as_dict(private=True), {"kid": self.keys[0].kid})
        return jwt.encode(header, claims, key, algorithms=[self.algorithm])

    async def _jwks(self, request: Request) -> Response:
        if response := await self._fault(request):
            return response
        unknown = {"kty": "AKP", "kid": "post-quantum", "alg": "ML-DSA-44", "pub": "AA"}
        other = ECKey.generate_key("P-256", {"kid": "for encryption", "use": "enc"}, private=True)
        keys = [unknown, other.as_dict(private=False), *(key.as_dict(private=False) for key in self.keys)]
        return JSONResponse({"keys": keys})

    async def _userinfo(self, request: Request) -> Response:
        if response := await self._fault(request):
            return response
        assert request.headers["authorization"] == "Bearer access"
        return JSONResponse(self.userinfo)


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@contextmanager
def serve_provider() -> Iterator[OidcProvider]:
    """Serve a provider on a thread."""
    port, is_started, is_stopping = free_port(), threading.Event(), threading.Event()
    provider = OidcProvider(port)

    async def serve() -> None:
        config = uvicorn.Config(provider.application(), port=port, log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not (is_stopping.is_set() or serving.done()):
            if server.started:
                is_started.set()
            await asyncio.sleep(_TURN)
        server.should_exit = server.force_exit = True
        await serving

    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(lambda: asyncio.run(serve()))
        try:
            assert is_started.wait(10) or serving.result(0), "it does not listen"
            yield provider
        finally:
            is_stopping.set()
            serving.result(15)
