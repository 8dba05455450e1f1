"""Assets: the files of the page, read once from the package; with a tag, so that browsers need not fetch them twice."""

import hashlib
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

__all__ = ["Assets"]

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_INDEX = "index.html"
_BASE = "{{base}}"


@dataclass(frozen=True)
class _Asset:
    body: bytes
    media_type: str
    tag: str


class Assets:
    """`prefix` is where the dashboard is found from outside, where its server does not tell."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        folder = files("celery_gossip.web") / "page"
        found = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.partition(".")[2] in _TYPES}
        self._index = found.pop(_INDEX).decode()
        self._assets = {name: _asset(name, body) for name, body in found.items()}

    def routes(self) -> list[Route]:
        return [Route("/static/{name:path}", self._static), Route("/{page:path}", self._page)]

    async def _static(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return PlainTextResponse("not found\n", 404)
        headers = {"ETag": asset.tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == asset.tag:
            return Response(status_code=304, headers=headers)
        return Response(asset.body, headers=headers, media_type=asset.media_type)

    async def _page(self, request: Request) -> Response:
        base = f"{self._prefix or request.scope.get('root_path', '')}/"
        body = self._index.replace(_BASE, escape(base))
        return Response(body, headers={"Cache-Control": "no-store"}, media_type=_TYPES["html"])


def _asset(name: str, body: bytes) -> _Asset:
    return _Asset(body, _TYPES[name.rpartition(".")[2]], f'"{hashlib.sha256(body).hexdigest()[:20]}"')
