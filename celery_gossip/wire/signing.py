"""HMAC-SHA256 signatures of message bodies. Pure.

A Publisher signs on its thread. A Subscription verifies on the listener's thread, before the body is parsed.
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from celery_gossip.errors import RejectedGossip

__all__ = ["SIGNATURE", "Delivery", "Keyring", "find_signature"]

SIGNATURE = "gossip_signature"  #: name of the message header
_SIGNATURE_LENGTH = 64  #: lower-case hexadecimal digits


class _Unsigned:
    """Signature of a message without that header; a header with the value None is an invalid signature."""


_UNSIGNED = _Unsigned()


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """A received body that was not parsed yet."""

    body: bytes
    is_verified: bool | None = None  #: True for a valid signature, False for none; None if there is no key to check it


class Keyring:
    """Secret keys. The first one signs, all of them verify. Without a key, nothing is signed or verified."""

    def __init__(self, secrets: Sequence[str] = (), *, refuses_unsigned: bool = False) -> None:
        self._keys = tuple(secret.encode() for secret in secrets)
        self._refuses_unsigned = refuses_unsigned

    def signature_headers(self, body: bytes) -> dict[str, str]:
        """Return the message headers for this body: its signature, or none without a key."""
        return {SIGNATURE: _sign(self._keys[0], body)} if self._keys else {}

    def verify(self, body: bytes, signature: object) -> bool | None:
        """Return True for a valid signature, False for a message without one, None without a key.

        Raises RejectedGossip for an invalid signature, and for a missing one if signatures are required.
        """
        if not self._keys:
            return None
        if isinstance(signature, _Unsigned):
            if self._refuses_unsigned:
                raise RejectedGossip("unsigned", "the message has no signature, and gossip_refuse_unverified is set")
            return False
        if not isinstance(signature, str) or len(signature) != _SIGNATURE_LENGTH or not signature.isascii():
            raise RejectedGossip("signature", "the header is not a signature")
        matches = [hmac.compare_digest(_sign(key, body), signature) for key in self._keys]  # all: in constant time
        if not any(matches):
            raise RejectedGossip("signature", "it does not match any key of this listener")
        return True


def find_signature(headers: Any) -> object:
    """Return the signature in the headers of a message, of any type, as Keyring.verify() expects it."""
    return headers.get(SIGNATURE, _UNSIGNED) if isinstance(headers, Mapping) else _UNSIGNED


def _sign(key: bytes, body: bytes) -> str:
    return hmac.digest(key, body, "sha256").hex()
