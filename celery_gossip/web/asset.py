"""Assets: the files of the page, read once from the package, under an address that changes when they do."""

import hashlib
from collections.abc import Iterator, Mapping
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
_EARLY = "early.js"  #: the one script that is no module
_FOR_EVER = "private, max-age=31536000, immutable"


class Assets:
    """`prefix` is where the dashboard is found from outside, where its server does not tell.

    A browser fetches each file once until one of them changes, and all modules at once, not import by import.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        folder = files("celery_gossip.web") / "page"
        found = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.partition(".")[2] in _TYPES}
        index = found.pop(_INDEX).decode()
        self._assets = found
        self._version = _digest(found)
        self.static = f"static/{self._version}"  #: where they are, from the base
        modules = "\n".join(self._preload(name) for name in sorted(found) if name.endswith(".js") and name != _EARLY)
        self._index = index.replace("{{static}}", self.static).replace("{{modules}}", modules)

    def routes(self) -> Iterator[Route]:
        yield Route("/static/{version}/{name}", self._asset)
        yield Route("/static/{name:path}", _nothing)
        yield Route("/{page:path}", self._page)

    def _preload(self, name: str) -> str:
        return f'<link rel="modulepreload" href="{self.static}/{name}">'

    async def _asset(self, request: Request) -> Response:
        """Ours also for another version: while servers behind one name are upgraded, a page may be of the other."""
        version, name = request.path_params["version"], request.path_params["name"]
        if name not in self._assets:
            return await _nothing(request)
        kept = _FOR_EVER if version == self._version else "no-store"
        media_type = _TYPES[name.rpartition(".")[2]]
        return Response(self._assets[name], headers={"Cache-Control": kept}, media_type=media_type)

    async def _page(self, request: Request) -> Response:
        base = f"{self._prefix or request.scope.get('root_path', '')}/"
        body = self._index.replace("{{base}}", escape(base))
        return Response(body, headers={"Cache-Control": "no-store"}, media_type=_TYPES["html"])


async def _nothing(request: Request) -> Response:
    return PlainTextResponse("not found\n", 404)


def _digest(assets: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(assets):
        digest.update(name.encode() + b"\0" + assets[name] + b"\0")
    return digest.hexdigest()[:16]
