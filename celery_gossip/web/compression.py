"""Compression: content that is compressed once and sent with gzip to clients that accept it. Pure.

For the page and its files only, which are the same for every user. Responses of the API and event streams are not
compressed: beside secrets they contain names that any client that can publish chooses. An observer who sees the length
of encrypted responses could guess a secret through such a name, byte by byte (BREACH).
"""

import gzip
import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response

__all__ = ["Compressed", "accepts_gzip"]

#: A name with a weight from 0 to 1 that has at most three decimals (RFC 9110, section 12.4.2).
_CODING = re.compile(
    r"\s*([!#$%&'*+.^`|~\w-]+)\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?\Z", re.ASCII | re.IGNORECASE
)
_NAMES = ("gzip", "x-gzip")  #: the second is an old name of the first (RFC 9110, section 8.4.1.3)
_MAX_CODINGS = 20  #: of a header that are read


@dataclass(frozen=True)
class Compressed:
    """Content and its gzip form, whose bytes depend on the content only."""

    plain: bytes
    gzipped: bytes

    @classmethod
    def of(cls, plain: bytes) -> "Compressed":
        """Return the content with its gzip form; compressing takes about a millisecond for 10 KB."""
        return cls(plain, gzip.compress(plain, mtime=0))

    def response(self, request_headers: Headers, *, media_type: str, cache_control: str) -> Response:
        """Return the response in the form that the client prefers."""
        headers = {"Cache-Control": cache_control, "Vary": "Accept-Encoding"}
        if accepts_gzip(request_headers.getlist("accept-encoding")):
            return Response(self.gzipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=media_type)
        return Response(self.plain, headers=headers, media_type=media_type)


def accepts_gzip(values: Iterable[str]) -> bool:
    """Return whether the client accepts gzip and does not prefer uncompressed content.

    `values` are those of Accept-Encoding. An entry that is not valid is ignored.
    """
    weights: dict[str, float] = {}
    for entry in ",".join(values).split(",")[:_MAX_CODINGS]:
        if match := _CODING.match(entry):
            weights[match[1].lower()] = float(match[2] or 1)
    weight = max((weights[name] for name in _NAMES if name in weights), default=weights.get("*", 0.0))
    return weight > 0 and weight >= weights.get("identity", 0.0)
