"""WebOptions: where the dashboard is served, to whom, and what they may do. Checked once, immutable afterwards."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from celery_gossip.errors import InvalidOption
from celery_gossip.web.auth import Auth

__all__ = ["LOOPBACK_HOSTS", "WebOptions"]

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\Z")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+\Z")
_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - to be told from a real address


@dataclass(frozen=True)
class WebOptions:
    """Raises InvalidOption on construction, so every instance is a valid one."""

    bind: str = "127.0.0.1"  #: an address or a name; beyond loopback only with `auth`
    port: int = 5556  #: 0 takes a free one
    hosts: tuple[str, ...] = ()  #: names under which it may be asked, beside those of loopback and `bind`
    auth: Auth | None = None  #: who may look; None: everybody who can connect
    prefix: str = ""  #: path under which a reverse proxy serves it, "/ops/gossip"
    allow_control: bool = False  #: pause, resume, grow and shrink; only with `auth`

    def __post_init__(self) -> None:
        if self.auth is None and not is_loopback(self.bind):
            raise InvalidOption(
                f"bind: expected a loopback address where there is no auth, got {self.bind!r}: whoever can reach it "
                "could read everything; see --auth"
            )
        if self.auth is None and self.allow_control:
            raise InvalidOption("allow_control: expected auth with it: nobody who is not known may pause a queue")
        for host in self.hosts:
            if not (_HOST.match(host) or _is_address(host)):
                raise InvalidOption(f"hosts: expected a host's name or address without a port, got {host!r}")
        if self.prefix and not _PREFIX.match(self.prefix):
            raise InvalidOption(f"prefix: expected a path like '/ops/gossip', got {self.prefix!r}")

    @property
    def known_hosts(self) -> frozenset[str]:
        """In lower case, without brackets."""
        own = () if self.bind in _ANY else (self.bind,)
        return frozenset(host.lower() for host in (*LOOPBACK_HOSTS, *own, *self.hosts))


def is_loopback(bind: str) -> bool:
    """Of an address or a name that is not looked up."""
    return bind == "localhost" or (_is_address(bind) and ip_address(bind).is_loopback)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
