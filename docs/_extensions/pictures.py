"""Show a `<picture>` of a Markdown page with its light or dark image, as the reader has set the theme.

A code forge shows the HTML as it is, by the colour scheme of the browser. Here it becomes two images, which Sphinx
copies and whose files must exist.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_PICTURE = re.compile(r"<picture>\s*<source[^>]* srcset=\"([^\"]+)\">\s*<img ([^>]+)>\s*</picture>")
_ATTRIBUTE = re.compile(r"(\w+)=\"([^\"]*)\"")


class _PictureTransform(SphinxTransform):
    default_priority = 200  # before the images are collected

    def apply(self, **_: Any) -> None:
        for raw in list(self.document.findall(nodes.raw)):
            pictures = list(_PICTURE.finditer(raw.astext()))
            if raw.get("format") == "html" and pictures:
                images = [image for picture in pictures for image in _images(picture)]
                raw.replace_self(nodes.paragraph("", "", *images, classes=["pictures"]))


def _images(picture: re.Match[str]) -> list[nodes.image]:
    dark, img = picture[1], dict(_ATTRIBUTE.findall(picture[2]))
    size = {"width": img["width"]} if "width" in img else {}
    return [
        nodes.image("", uri=uri, alt=img["alt"], classes=[name], **size)
        for uri, name in ((img["src"], "only-light"), (dark, "only-dark"))
    ]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform."""
    app.add_transform(_PictureTransform)
    return {"parallel_read_safe": True}
