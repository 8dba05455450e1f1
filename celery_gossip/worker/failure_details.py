"""Message and traceback of an exception, without paths, source lines and values. Any thread on which tasks fail.

Celery formats each traceback where the task runs. The message is read from that text: calling `str()` of an exception
here would run a user's code in the worker's main process. Frames are read from the copy of the traceback that comes
with it, which names modules.
"""

import re
import sysconfig
from types import WrapperDescriptorType
from typing import Any

from celery_gossip.options import FailureDetails
from celery_gossip.wire.limits import sanitize_name, sanitize_text
from celery_gossip.wire.messages import MAX_MESSAGE, MAX_TRACEBACK_FRAMES

__all__ = ["describe_failure", "shown_message"]

_HEADER = "Traceback (most recent call last):\n"  #: before the frames, in the text of a traceback
_MAX_TEXT = 100_000  #: characters of such a text that are read
_MAX_TRACEBACK = 4096  #: bytes of all frames together
_MAX_DEPTH = 500  #: frames that are looked at
_OUTER_FRAMES = 5  #: kept of a traceback that is too long, beside the innermost ones
_OMITTED = "…"  #: in place of frames that are left out
_PLUMBING = "celery.app.trace"  #: module whose frames are the outermost ones of every task
_PLAIN = (str, int, float, bool, type(None))
_SPACE = re.compile(r"\s+")
#: Arguments of the task, in the message of Celery's own exception. They are on no wire.
_ARGUMENTS = re.compile(r" args:.*")
_WITH_ARGUMENTS = "MaxRetriesExceededError"
_LIBRARY_FOLDERS = ("/site-packages/", "/dist-packages/")
_LIBRARY_PREFIXES = tuple(
    f"{path}/".replace("\\", "/") for path in map(sysconfig.get_path, ("stdlib", "platstdlib")) if path
)

_Details = tuple[str | None, tuple[str, ...], int | None]


def describe_failure(exc_info: Any, exception: str, details: FailureDetails) -> _Details:
    """Return the message, the frames, outermost first, and the position of the innermost one outside of libraries.

    `exc_info` is billiard's ExceptionInfo; `exception` is the name of the class. None and empty where not asked for, or
    not known. Never raises: what cannot be read is left out.
    """
    if details == "off" or exc_info is None:
        return None, (), None
    try:
        message = _message_of(exc_info)
        shown = None if message is None else shown_message(message, exception)
    except Exception:  # objects of a user's own classes
        shown = None
    if details == "message":
        return shown, (), None
    try:
        return shown, *_frames_of(exc_info)
    except Exception:
        return shown, (), None


def shown_message(message: str, exception: str) -> str:
    """Return the message as a report contains it: one line of at most MAX_MESSAGE printable characters."""
    text = _SPACE.sub(" ", message[: 4 * MAX_MESSAGE]).strip()
    if exception == _WITH_ARGUMENTS:
        text = _ARGUMENTS.sub("", text)
    return sanitize_text(text, MAX_MESSAGE)


def _message_of(exc_info: Any) -> str | None:
    text = getattr(exc_info, "traceback", None)
    if isinstance(text, str):
        _, header, rest = text[-_MAX_TEXT:].rpartition(_HEADER)
        lines = rest.splitlines() if header else []
        start = next((at for at, line in enumerate(lines) if line[:1] not in ("", " ")), None)
        if start is not None:
            return "\n".join(lines[start:]).partition(": ")[2]
    return _plain_text(getattr(exc_info, "exception", None))


def _plain_text(exception: Any) -> str | None:
    """Return the text of an exception if it can be made without running a user's code; None otherwise."""
    exception = getattr(exception, "exc", exception)  # billiard's ExceptionWithTraceback
    if not isinstance(exception, BaseException) or not isinstance(type(exception).__str__, WrapperDescriptorType):
        return None
    return str(exception) if all(type(one) in _PLAIN for one in exception.args) else None


def _frames_of(exc_info: Any) -> tuple[tuple[str, ...], int | None]:
    found: list[tuple[str, bool]] = []
    traceback = getattr(exc_info, "tb", None)
    while traceback is not None and len(found) < _MAX_DEPTH:
        frame = traceback.tb_frame
        module = str(frame.f_globals.get("__name__") or "?")
        if found or module != _PLUMBING:
            code = frame.f_code
            function = getattr(code, "co_qualname", code.co_name)  # qualified from Python 3.11 on
            text = sanitize_name(f"{_without_folders(module)}:{function}:{traceback.tb_lineno}")
            found.append((text, _is_own(module, str(code.co_filename))))
        traceback = traceback.tb_next
    kept = _within_limits(found)
    own = [at for at, (_, is_own) in enumerate(kept) if is_own]
    return tuple([text for text, _ in kept]), own[-1] if own else None


def _within_limits(frames: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Return the frames, or the outermost and innermost ones if there are too many."""
    inner = len(frames)
    kept = frames
    while len(kept) > MAX_TRACEBACK_FRAMES or sum(len(text.encode()) + 1 for text, _ in kept) > _MAX_TRACEBACK:
        inner = min(inner - 1, MAX_TRACEBACK_FRAMES - _OUTER_FRAMES - 1)
        kept = [*frames[:_OUTER_FRAMES], (_OMITTED, False), *frames[-inner:]]
    return kept


def _without_folders(module: str) -> str:
    """Return the module's name; of one that was loaded under a path, the last part."""
    return module.replace("\\", "/").rpartition("/")[2]


def _is_own(module: str, path: str) -> bool:
    """Return True unless the file belongs to Python, or to an installed package."""
    path = path.replace("\\", "/")
    is_library = path.startswith(("<", *_LIBRARY_PREFIXES)) or any(folder in path for folder in _LIBRARY_FOLDERS)
    return not is_library and not module.startswith(("celery.", "billiard.", "kombu."))
