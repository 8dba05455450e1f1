"""Assets: the files of the page, read and compressed once, and served under a path that contains their digest."""

import hashlib
from collections.abc import Mapping
from html import escape
from importlib.resources import files

from starlette.responses import Response

from celery_gossip.web.compression import Compressed
from celery_gossip.web.operation import Call, Refused
from celery_gossip.web.parameter import FILE, PAGE, STATIC_VERSION

__all__ = ["MEDIA_TYPES", "Assets"]

MEDIA_TYPES = {  #: by file extension
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_INDEX = "index.html"
_CLASSIC_SCRIPT = "theme.js"  #: the only script that is not a module
_LOGIN_STYLE = "login.css"
_IMMUTABLE = "private, max-age=31536000, immutable"
_NO_STORE = "no-store"
_RESERVED = ("api/", "static/", "login/")


class Assets:
    """Handlers of the page and of its files.

    A browser fetches each file once per version. The index preloads all modules, so that a browser does not discover
    them import by import. `prefix` is the dashboard's external path, for a server that does not set root_path.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        folder = files("celery_gossip.web") / "page"
        contents = {
            entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.partition(".")[2] in MEDIA_TYPES
        }
        index = contents.pop(_INDEX).decode()
        self._contents = {name: Compressed.of(content) for name, content in contents.items()}
        self._version = _digest(contents)
        self.static = f"static/{self._version}"  #: path of the files, relative to the dashboard's
        modules = sorted(name for name in contents if name.endswith(".js") and name != _CLASSIC_SCRIPT)
        preloads = "\n".join(f'<link rel="modulepreload" href="{self.static}/{name}">' for name in modules)
        self._index = index.replace("{{static}}", self.static).replace("{{modules}}", preloads)

    async def file(self, call: Call) -> Response:
        """Serve a file under any version: during an upgrade, servers behind one name may be of different versions."""
        name = call[FILE]
        if name not in self._contents:
            raise Refused(404, "no such file")
        cache_control = _IMMUTABLE if call[STATIC_VERSION] == self._version else _NO_STORE
        media_type = MEDIA_TYPES[name.rpartition(".")[2]]
        return self._contents[name].response(call.request.headers, media_type=media_type, cache_control=cache_control)

    async def login_style(self, call: Call) -> Response:
        """Serve the style of the pages around a login, which need no credentials."""
        return self._contents[_LOGIN_STYLE].response(
            call.request.headers, media_type=MEDIA_TYPES["css"], cache_control=_NO_STORE
        )

    async def page(self, call: Call) -> Response:
        if call[PAGE].startswith(_RESERVED):
            raise Refused(404, "no such path; see api/openapi.json")
        base = f"{self._prefix or call.request.scope.get('root_path', '')}/"
        # It contains no secret; the page requests the token for commands from the API.
        index = Compressed.of(self._index.replace("{{base}}", escape(base)).encode())
        return index.response(call.request.headers, media_type=MEDIA_TYPES["html"], cache_control=_NO_STORE)


def _digest(contents: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(name.encode() + b"\0" + contents[name] + b"\0")
    return digest.hexdigest()[:16]
