"""Options of queue gossip: checked once, immutable afterwards. Built at install; read on every thread.

Precedence: worker flag, keyword of install(), setting, default.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from inspect import ismodule
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

from celery_gossip.errors import InvalidOption
from celery_gossip.messages import MAX_INTERVAL

__all__ = [
    "KEY_RULE",
    "LEAST_KEY",
    "MOST_KEY",
    "MOST_KEYS",
    "GossipOptions",
    "as_dict",
    "checked",
    "is_key",
    "keep_keywords",
    "keywords_of",
    "resolve",
    "without_password",
]

LEAST_KEY, MOST_KEY = 16, 1024  #: characters of a key
MOST_KEYS = 2  #: known at once: while one is exchanged for another
KEY_RULE = f"a text of {LEAST_KEY} to {MOST_KEY} characters without white space around it"

_PREFIX = "gossip_"
_EXCHANGE = re.compile(r"[a-z0-9_]{1,127}\Z")
_SCHEME = re.compile(r"(?<![^\s;,'\"\[(])[A-Za-z][\w+.-]*://")  #: where a URL begins, not within a password
#: Its `@` and the host are missing.
_PASSWORD_FOR_PORT = re.compile(r"(://[^/:?#\[]*:)(?!\d*(?:[/?#;,'\"\])\s]|$)).*", re.DOTALL)
_PASSWORD_IN_QUERY = re.compile(r"(?i)([?&][\w.-]*(?:pass|pwd|secret|token|cred)[\w.-]*=)[^&#;\s'\"]*")


@dataclass(frozen=True, repr=False)
class GossipOptions:
    """How often a worker speaks, and where.

    Raises InvalidOption on construction, so every instance is a valid one.
    """

    interval: float = 1.0  #: seconds between two rounds; above 0, at most a day
    exchange: str = "celery_gossip"  #: name of the fanout exchange; no dots or slashes, Redis would not deliver them
    broker_url: str | None = None  #: a broker of its own; None is the app's write URL
    active_limit: int = 100  #: task ids listed per queue; counts stay exact; 0 lists none
    health_file: str | None = None  #: kept fresh while the worker can consume; formats as in --pidfile; None: no file
    secret: str | Sequence[str] | None = None  #: the key that signs gossip; of two the first signs, and both are known
    secret_file: str | None = None  #: a file of one key or two, one a line, instead; read once, at start
    refuse_unverified: bool = False  #: a listener takes nothing that bears no signature
    enabled: bool = True  #: False leaves the worker as if this package were not installed

    def __post_init__(self) -> None:
        _require_seconds("gossip_interval", self.interval)
        _require_exchange("gossip_exchange", self.exchange)
        _require_url("gossip_broker_url", self.broker_url)
        _require_count("gossip_active_limit", self.active_limit, most=10_000)
        _require_path("gossip_health_file", self.health_file)
        _require_secret("gossip_secret", self.secret)
        _require_path("gossip_secret_file", self.secret_file)
        _require_bool("gossip_refuse_unverified", self.refuse_unverified)
        _require_one_secret(self)
        _require_bool("gossip_enabled", self.enabled)

    def __repr__(self) -> str:
        return f"GossipOptions({', '.join(f'{name}={value!r}' for name, value in as_dict(self).items())})"


_NAMES = tuple(field.name for field in fields(GossipOptions))
_keywords: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def keep_keywords(app: Any, keywords: Mapping[str, Any]) -> bool:
    """Remember install()'s keywords for this app; False when it was installed before (the first ones stay)."""
    if app in _keywords:
        return False
    _keywords[app] = dict(keywords)
    return True


def keywords_of(app: Any) -> dict[str, Any]:
    """The keywords that install() was given for this app; empty when it was not called."""
    return dict(_keywords.get(app, {}))


def resolve(app: Any, **flags: Any) -> GossipOptions:
    """The options in force for this Celery app; `flags` that are None are not given. Reads the app's configuration.

    Raises InvalidOption for an unknown `gossip_*` setting or keyword and for a value out of place.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    layers = (settings_of(app.conf), keywords_of(app), given)
    for values in layers:  # a bad value is refused even where a better one goes before it
        checked(values)
    return checked({name: value for values in layers for name, value in values.items()})


def checked(values: Mapping[str, Any]) -> GossipOptions:
    """GossipOptions of these values by name without the prefix; raises InvalidOption for an unknown name."""
    _refuse_unknown(values, known=_NAMES, kind="option")
    return GossipOptions(**values)


def settings_of(conf: Any) -> dict[str, Any]:
    """The `gossip_*` settings of a Celery configuration, `{name without prefix: value}`.

    With a namespace (Django's `CELERY_`) only names that carry it are ours: another package may own `GOSSIP_…` there.
    """
    namespace = conf.finalize().prefix or ""  # unknown until a lazy configuration has been read
    names = {_setting_name(key, namespace) for key in list(conf.keys()) if isinstance(key, str)}
    values = {name: conf.get(name) for name in names if name.lower().startswith(_PREFIX)}
    # A configuration module also holds what it has imported: a helper named gossip_… is no setting.
    settings = {name: value for name, value in values.items() if not (ismodule(value) or callable(value))}
    _refuse_unknown(settings, known=[_PREFIX + name for name in _NAMES], kind="setting")
    return {name.removeprefix(_PREFIX): value for name, value in settings.items()}


def as_dict(options: GossipOptions) -> dict[str, Any]:
    """The options by name, fit to be shown: without a password, and of a secret only that there is one."""
    shown = {name: getattr(options, name) for name in _NAMES}
    url = options.broker_url and without_password(options.broker_url)
    return {**shown, "broker_url": url, "secret": None if options.secret is None else "***"}


def is_key(text: object) -> bool:
    """Whether this can sign: 16 to 1024 characters, without white space around them, for a file would lose it."""
    if not isinstance(text, str) or not LEAST_KEY <= len(text) <= MOST_KEY or text != text.strip():
        return False
    return not any("\ud800" <= char <= "\udfff" for char in text)  # half a character has no bytes


def _setting_name(key: str, namespace: str) -> str:
    if not namespace:
        return key
    if key.upper().startswith(namespace.upper()):
        return key[len(namespace) :].lower()
    return key if key.startswith(_PREFIX) else ""


def _refuse_unknown(names: Iterable[str], known: Iterable[str], kind: str) -> None:
    known = list(known)
    for name in sorted(set(names).difference(known)):
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        raise InvalidOption(f"unknown {kind} {name!r} of celery-gossip: {hint}")


def _refuse(option: str, expected: str, got: object) -> InvalidOption:
    try:
        shown = without_password(repr(got))[:200]
    except ValueError:  # an int of more than 4300 digits
        shown = f"a {type(got).__name__} too large to show"
    return InvalidOption(f"{option}: expected {expected}, got {shown}")


def _require_seconds(option: str, value: object) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= MAX_INTERVAL:  # type: ignore[operator]
        raise _refuse(option, f"a finite number of seconds above 0 and at most {MAX_INTERVAL:.0f}", value)


def _require_exchange(option: str, value: object) -> None:
    if not isinstance(value, str) or not _EXCHANGE.match(value):
        raise _refuse(option, "a name of 1 to 127 characters from a-z, 0-9 and _", value)


def _require_url(option: str, value: object) -> None:
    if value is not None and not (isinstance(value, str) and "://" in value):
        raise _refuse(option, "a broker URL like 'redis://localhost:6379/0' or None", value)


def _require_count(option: str, value: object, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise _refuse(option, f"a whole number from 0 to {most}", value)


def _require_path(option: str, value: object) -> None:
    if value is not None and not (isinstance(value, str) and value and "\0" not in value):
        raise _refuse(option, "the path of a file or None", value)


def _require_secret(option: str, value: object) -> None:
    keys = value if isinstance(value, (list, tuple)) else (value,)
    if value is not None and not (1 <= len(keys) <= MOST_KEYS and all(map(is_key, keys))):
        raise InvalidOption(f"{option}: expected {KEY_RULE}, or a list of at most two such; the value is not shown")


def _require_one_secret(options: GossipOptions) -> None:
    if options.secret is not None and options.secret_file is not None:
        raise InvalidOption("gossip_secret_file: expected None where gossip_secret is given: one of the two")
    if options.refuse_unverified and options.secret is None and options.secret_file is None:
        raise InvalidOption("gossip_refuse_unverified: expected gossip_secret or gossip_secret_file beside it")


def _require_bool(option: str, value: object) -> None:
    if not isinstance(value, bool):
        raise _refuse(option, "True or False", value)


def without_password(text: str) -> str:
    """This text with what stands before the last `@` of each URL in it blotted out, and passwords in a query.

    A password that should have been percent-encoded may hold any character: rather too much is blotted out.
    """
    starts = [found.start() for found in _SCHEME.finditer(text)]
    pieces = [text[begin:end] for begin, end in pairwise([0, *starts, len(text)])]
    return _PASSWORD_IN_QUERY.sub(r"\1***", "".join(map(_without_credentials, pieces)))


def _without_credentials(piece: str) -> str:
    _, has_credentials, rest = piece.rpartition("@")
    if not has_credentials:
        return _PASSWORD_FOR_PORT.sub(r"\1***", piece)
    scheme = _SCHEME.match(piece)
    return f"{scheme[0] if scheme else ''}***@{rest}"
