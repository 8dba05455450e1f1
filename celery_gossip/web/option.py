"""WebOptions: address, authentication and permissions of the dashboard. Checked once, immutable afterwards."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from celery_gossip.control.permission import DEFAULT, require_permissions
from celery_gossip.errors import InvalidOption
from celery_gossip.hosts import LOOPBACK_HOSTS, allowed_hosts, is_loopback, validate_hosts
from celery_gossip.web.auth import Auth, oidc_options

__all__ = ["LOOPBACK_HOSTS", "WebOptions"]

_MAX_URL = 2_000  #: characters of a template
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+\Z")


@dataclass(frozen=True)
class WebOptions:
    """Options of the dashboard. Construction raises InvalidOption, so every instance is valid."""

    bind: str = "127.0.0.1"  #: address or host name; other than loopback only with `auth`
    port: int = 5556  #: 0: any free port
    hosts: tuple[str, ...] = ()  #: additional allowed Host headers, beside loopback's, `bind` and the one of logins
    auth: Auth | None = None  #: None: any client that can connect is admitted
    prefix: str = ""  #: path at which a reverse proxy serves the dashboard, "/ops/gossip"
    #: Address of a task elsewhere (Sentry, logs) with {id} in place of its id: links of failures lead there.
    task_url: str = ""
    #: Permissions to control workers, of celery_gossip.control.command.PERMISSIONS, or `all`; only with `auth`. True:
    #: `pause` and `scale`. False: none.
    allow_control: bool | Collection[str] = False
    #: `{user: permissions}`, of those of `allow_control`; `*` for users who are not listed. None: all have all.
    control_users: Mapping[str, frozenset[str]] | None = None

    def __post_init__(self) -> None:
        if self.auth is None and not is_loopback(self.bind):
            raise InvalidOption(
                f"bind: expected a loopback address where there is no auth, got {self.bind!r}: any client "
                "that can connect could read everything; see --auth"
            )
        if self.permissions and self.auth is None:
            raise InvalidOption("allow_control: expected auth with it: only authenticated users may control workers")
        if self.control_users is not None and not self.permissions:
            raise InvalidOption("control_users: expected allow_control with it, of whose permissions users have some")
        validate_hosts(self.hosts)
        if self.prefix and not _PREFIX.match(self.prefix):
            raise InvalidOption(f"prefix: expected a path like '/ops/gossip', got {self.prefix!r}")
        if (oidc := oidc_options(self.auth)) is not None and self.prefix and oidc.base_path != self.prefix:
            raise InvalidOption(
                f"prefix: expected the path of url in the file of oidc, {oidc.base_path!r}, got {self.prefix!r}"
            )
        _require_template(self.task_url)

    @property
    def permissions(self) -> frozenset[str]:
        """Permissions to control workers. Raises InvalidOption for an unknown one."""
        if isinstance(self.allow_control, bool):
            return DEFAULT if self.allow_control else frozenset()
        names = self.allow_control.split(",") if isinstance(self.allow_control, str) else self.allow_control
        return require_permissions([str(name).strip() for name in names])

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Allowed Host headers, in lower case and without brackets."""
        oidc = oidc_options(self.auth)
        return allowed_hosts(self.bind, self.hosts if oidc is None else (*self.hosts, oidc.host))


def _require_template(text: str) -> None:
    """Raise InvalidOption unless the text is empty, or an http(s) URL with {id} after the host and no other braces."""
    if not text:
        return
    try:
        scheme, host, *rest = urlsplit(text)
    except ValueError:
        scheme = host = ""
        rest = []
    is_url = scheme in ("http", "https") and bool(host) and not set("{}@") & set(host)
    is_plain = text.isascii() and text.isprintable() and " " not in text and len(text) <= _MAX_URL
    if not (is_url and is_plain and "{id}" in "".join(rest) and not set("{}") & set(text.replace("{id}", ""))):
        raise InvalidOption(
            "task_url: expected an http or https URL with {id} in its path, query or fragment, like "
            f"'https://sentry.example/?query={{id}}', got {text[:200]!r}"
        )
