"""The options of celery-gossip: validated once, immutable afterwards. Built at install; read on every thread.

Precedence: worker flag, keyword of install(), setting, default.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from inspect import ismodule
from itertools import pairwise
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

from celery_gossip.errors import InvalidOption
from celery_gossip.wire.messages import MAX_INTERVAL, MAX_RELEASE

__all__ = [
    "KEY_RULE",
    "MAX_KEYS",
    "MAX_KEY_LENGTH",
    "MIN_KEY_LENGTH",
    "FailureDetails",
    "GossipOptions",
    "Stacks",
    "as_dict",
    "build_options",
    "install_keywords",
    "is_valid_key",
    "redact_passwords",
    "resolve",
    "store_install_keywords",
]

MIN_KEY_LENGTH, MAX_KEY_LENGTH = 16, 1024  #: characters of a key
MAX_KEYS = 2  #: keys that are accepted at the same time, while one replaces the other
KEY_RULE = f"a text of {MIN_KEY_LENGTH} to {MAX_KEY_LENGTH} characters without white space around it"

#: When a worker reports the stack of the thread of its event loop.
Stacks = Literal["off", "stalled"]
#: What a worker reports of a failed task beside the class of the exception.
FailureDetails = Literal["off", "message", "traceback"]

_PREFIX = "gossip_"
_EXCHANGE = re.compile(r"[a-z0-9_]{1,127}\Z")
_SCHEME = re.compile(r"(?<![^\s;,'\"\[(])[A-Za-z][\w+.-]*://")  #: beginning of a URL, but not inside a password
#: A password in the place of the port, in a URL without `@` and host.
_PASSWORD_FOR_PORT = re.compile(r"(://[^/:?#\[]*:)(?!\d*(?:[/?#;,'\"\])\s]|$)).*", re.DOTALL)
_PASSWORD_IN_QUERY = re.compile(r"(?i)([?&][\w.-]*(?:pass|pwd|secret|token|cred)[\w.-]*=)[^&#;\s'\"]*")


@dataclass(frozen=True, repr=False)
class GossipOptions:
    """How often a worker reports, where to, and how messages are signed.

    Raises InvalidOption on construction, so every instance is valid.
    """

    interval: float = 1.0  #: seconds between two reports; above 0, at most a day
    exchange: str = (
        "celery_gossip"  #: name of the fanout exchange; without dots and slashes, which Redis would not deliver
    )
    broker_url: str | None = None  #: broker for gossip only; None: the app's write URL
    active_limit: int = 100  #: task ids listed per queue; counts are exact anyway; 0 lists none
    health_file: str | None = None  #: updated while the worker can consume; formats as in --pidfile; None: no file
    secret: str | Sequence[str] | None = (
        None  #: key that signs gossip; of two keys the first signs and both are accepted
    )
    secret_file: str | None = None  #: file with one or two keys, one per line, instead of `secret`; read once at start
    refuse_unverified: bool = False  #: a listener rejects messages without a signature
    stacks: Stacks = "stalled"  #: "stalled": a worker whose event loop is blocked reports its stack; "off": never
    #: "message": a worker also reports the messages of exceptions, which may contain personal data; "traceback": and
    #: their tracebacks, as `module:function:line`
    failure_details: FailureDetails = "off"
    release: str | None = None  #: release of the project; None: the variable GIT_SHA or SENTRY_RELEASE; "": none
    count_sent: bool = False  #: True: processes count the tasks that they send, and report the counts every 10 s
    beat: bool = True  #: False: beat does not report its schedule
    beat_health_file: str | None = None  #: updated while beat ticks; formats %n, %h and %d; None: no file
    enabled: bool = True  #: False: the worker behaves as if this package were not installed

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
        _require_choice("gossip_stacks", self.stacks, get_args(Stacks))
        _require_choice("gossip_failure_details", self.failure_details, get_args(FailureDetails))
        _require_release("gossip_release", self.release)
        _require_bool("gossip_count_sent", self.count_sent)
        _require_bool("gossip_beat", self.beat)
        _require_path("gossip_beat_health_file", self.beat_health_file)
        _require_bool("gossip_enabled", self.enabled)

    def __repr__(self) -> str:
        return f"GossipOptions({', '.join(f'{name}={value!r}' for name, value in as_dict(self).items())})"


_NAMES = tuple(field.name for field in fields(GossipOptions))
_keywords: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def store_install_keywords(app: Any, keywords: Mapping[str, Any]) -> bool:
    """Store the keywords of install() for this app; return False if there are some already, which then stay."""
    if app in _keywords:
        return False
    _keywords[app] = dict(keywords)
    return True


def install_keywords(app: Any) -> dict[str, Any]:
    """Return the keywords of install() for this app; empty if it was not called."""
    return dict(_keywords.get(app, {}))


def resolve(app: Any, **flags: Any) -> GossipOptions:
    """Return the options of this Celery app; `flags` that are None are ignored. Reads the app's configuration.

    Raises InvalidOption for an unknown `gossip_*` setting or keyword and for an invalid value.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    layers = (settings_of(app.conf), install_keywords(app), given)
    for values in layers:  # an invalid value is an error even if another one has precedence
        build_options(values)
    return build_options({name: value for values in layers for name, value in values.items()})


def build_options(values: Mapping[str, Any]) -> GossipOptions:
    """Return GossipOptions of these values by name without the prefix. Raises InvalidOption."""
    _refuse_unknown(values, known=_NAMES, kind="option")
    return GossipOptions(**values)


def settings_of(conf: Any) -> dict[str, Any]:
    """Return the `gossip_*` settings of a Celery configuration, `{name without prefix: value}`.

    With a namespace (Django's `CELERY_`) only names with that prefix are read: another package may own `GOSSIP_…`.
    """
    namespace = conf.finalize().prefix or ""  # finalize() reads a lazy configuration, which sets the prefix
    names = {_setting_name(key, namespace) for key in list(conf.keys()) if isinstance(key, str)}
    values = {name: conf.get(name) for name in names if name.lower().startswith(_PREFIX)}
    # A configuration module also contains its imports: a function or module named gossip_… is no setting.
    settings = {name: value for name, value in values.items() if not (ismodule(value) or callable(value))}
    _refuse_unknown(settings, known=[_PREFIX + name for name in _NAMES], kind="setting")
    return {name.removeprefix(_PREFIX): value for name, value in settings.items()}


def as_dict(options: GossipOptions) -> dict[str, Any]:
    """Return the options by name for display: without the password of the URL, and with `***` for a secret."""
    shown = {name: getattr(options, name) for name in _NAMES}
    url = options.broker_url and redact_passwords(options.broker_url)
    return {**shown, "broker_url": url, "secret": None if options.secret is None else "***"}


def is_valid_key(text: object) -> bool:
    """Return True for a valid key: 16 to 1024 characters without white space around them, which a file would lose."""
    if not isinstance(text, str) or not MIN_KEY_LENGTH <= len(text) <= MAX_KEY_LENGTH or text != text.strip():
        return False
    return not any("\ud800" <= char <= "\udfff" for char in text)  # a lone surrogate cannot be encoded


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
        shown = redact_passwords(repr(got))[:200]
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


def _require_release(option: str, value: object) -> None:
    if value is not None and not (isinstance(value, str) and len(value) <= MAX_RELEASE and value.isprintable()):
        raise _refuse(option, f"a printable text of at most {MAX_RELEASE} characters, or None", value)


def _require_secret(option: str, value: object) -> None:
    keys = value if isinstance(value, (list, tuple)) else (value,)
    if value is not None and not (1 <= len(keys) <= MAX_KEYS and all(map(is_valid_key, keys))):
        raise InvalidOption(f"{option}: expected {KEY_RULE}, or a list of one or two such keys; the value is not shown")


def _require_one_secret(options: GossipOptions) -> None:
    if options.secret is not None and options.secret_file is not None:
        raise InvalidOption("gossip_secret_file: expected None, because gossip_secret is set; set only one of them")
    if options.refuse_unverified and options.secret is None and options.secret_file is None:
        raise InvalidOption(
            "gossip_refuse_unverified: expected False, because neither gossip_secret nor gossip_secret_file is set"
        )


def _require_choice(option: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise _refuse(option, f"one of {', '.join(map(repr, choices))}", value)


def _require_bool(option: str, value: object) -> None:
    if not isinstance(value, bool):
        raise _refuse(option, "True or False", value)


def redact_passwords(text: str) -> str:
    """Return this text with `***` in place of everything before the last `@` of each URL, and of passwords in a query.

    A password that should have been percent-encoded may contain any character, so more than it may be removed.
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
