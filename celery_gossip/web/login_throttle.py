"""LoginThrottle: refuses clients that sent wrong credentials too often. Owned by Security, on the server's event loop.

Failures are counted by address and by a keyed hash of the user name with 64 values: guesses at one user's password do
not lock out other users behind the same proxy, and refusals do not reveal which users exist.
"""

import base64
import binascii
import hashlib
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from celery_gossip.hosts import client_group
from celery_gossip.log import LimitedLogger

__all__ = ["LoginThrottle"]

_MAX_FAILURES = 10  #: within _PERIOD; further attempts are refused without a check
_PERIOD = 60.0  #: seconds
_MAX_ENTRIES = 4_096  #: pairs of address and hash; the oldest is dropped
_BUCKETS = 64  #: values of the hash


@dataclass
class _Failures:
    since: float
    number: int = 0
    refused_until: float = 0.0


@dataclass
class LoginThrottle:
    """Call retry_after() before credentials are checked, record_failure() after wrong ones."""

    clock: Callable[[], float] = time.monotonic
    _failures: OrderedDict[tuple[str, int], _Failures] = field(default_factory=OrderedDict)
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)

    def __post_init__(self) -> None:
        self._log = LimitedLogger(clock=self.clock)

    def retry_after(self, peer: str, authorization: str) -> int:
        """Return the seconds for which requests like this one are refused; 0 if they are not."""
        failures = self._failures.get(self._key(peer, authorization))
        return 0 if failures is None else max(0, math.ceil(failures.refused_until - self.clock()))

    def record_failure(self, peer: str, authorization: str) -> None:
        """Count wrong credentials."""
        now, key = self.clock(), self._key(peer, authorization)
        failures = self._failures.get(key)
        if failures is None or now - failures.since >= _PERIOD:
            failures = self._failures[key] = _Failures(now)
        self._failures.move_to_end(key)
        failures.number += 1
        if failures.number >= _MAX_FAILURES:
            failures.refused_until = now + _PERIOD
        if len(self._failures) > _MAX_ENTRIES:
            self._failures.popitem(last=False)
        self._log.warning("failed", "celery-gossip: wrong credentials for the dashboard from %.45r", peer)

    def _key(self, peer: str, authorization: str) -> tuple[str, int]:
        digest = hashlib.blake2b(_user_in(authorization), key=self._salt, digest_size=8).digest()
        return client_group(peer), int.from_bytes(digest, "big") % _BUCKETS


def _user_in(authorization: str) -> bytes:
    """Return the user name of basic authentication; empty for other kinds."""
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[0]
    except binascii.Error:
        return b""
