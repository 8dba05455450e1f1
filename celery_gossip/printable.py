"""Makes names from messages safe to display. Pure; used by the commands and `gossip top`.

The dashboard's page has the same rules in celery_gossip/web/page/printable.js.
"""

import re
import unicodedata

__all__ = ["printable"]

_MOST_MARKS = 2  #: combining characters on one letter
#: Code points that str.isprintable() accepts but that draw nothing: Unicode's Default_Ignorable_Code_Point, and blanks.
_BLANK = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_EDGES = re.compile(r"^ +| +$|(?<= ) +")


def printable(text: str) -> str:
    """Return the text with escapes in place of characters that are invisible or change the text around them.

    These are control and format characters, blank letters, combining marks without a letter or more than two on one
    letter, and spaces at an end or after a space.
    """
    text = _EDGES.sub(lambda found: "\\x20" * len(found[0]), text)
    if text.isascii() and text.isprintable():
        return text
    marks, has_base, shown = 0, False, []
    for char in text:
        is_mark = unicodedata.category(char)[0] == "M"
        marks = marks + 1 if unicodedata.combining(char) else 0
        is_visible = (
            char.isprintable() and not _BLANK.match(char) and (has_base or not is_mark) and marks <= _MOST_MARKS
        )
        shown.append(char if is_visible else ascii(char)[1:-1])
        has_base = char != " " if is_visible and not is_mark else has_base and is_mark
    return "".join(shown)
