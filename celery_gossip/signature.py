"""The signature on gossip: HMAC-SHA256 over the bytes of a body, by which those who hold the key know each other.

Pure but for open_keyring(), which reads a file once, at start. A Publisher signs on its thread, a Subscription asks on
the listener's, before anything is parsed.
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from celery_gossip.errors import InvalidOption, RejectedGossip
from celery_gossip.options import KEY_RULE, MOST_KEY, MOST_KEYS, GossipOptions, is_key

__all__ = ["SIGNATURE", "Delivery", "Keyring", "open_keyring", "signature_in"]

SIGNATURE = "gossip_signature"  #: the message's header
_DIGITS = 64  #: of a signature, lower-case hexadecimal ones
_MOST_BYTES = 8 * MOST_KEY * MOST_KEYS  #: of a file; what is longer holds no keys


class _Unsigned:
    """Of a message without that header; a header of None is a wrong signature."""


_UNSIGNED = _Unsigned()


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """A body that nobody has read yet."""

    body: bytes
    is_verified: bool | None = None  #: whether it bears a signature that is right; None where there is no key to tell


class Keyring:
    """No key: nothing is signed or asked for. Of several the first signs, and all are known."""

    def __init__(self, secrets: Sequence[str] = (), *, refuses_unsigned: bool = False) -> None:
        self._keys = tuple(secret.encode() for secret in secrets)
        self._refuses_unsigned = refuses_unsigned

    def headers(self, body: bytes) -> dict[str, str]:
        """What goes with this body: its signature, where there is a key."""
        return {SIGNATURE: _sign(self._keys[0], body)} if self._keys else {}

    def is_verified(self, body: bytes, signature: object) -> bool | None:
        """True for a signature that one of the keys has made, False for none, None where there is no key.

        Raises RejectedGossip for a wrong signature, and for none where that is refused.
        """
        if not self._keys:
            return None
        if isinstance(signature, _Unsigned):
            if self._refuses_unsigned:
                raise RejectedGossip("unsigned", "it bears no signature, and gossip_refuse_unverified is set")
            return False
        if not isinstance(signature, str) or len(signature) != _DIGITS or not signature.isascii():
            raise RejectedGossip("signature", "its signature is none")
        matches = [hmac.compare_digest(_sign(key, body), signature) for key in self._keys]  # all: time tells nothing
        if not any(matches):
            raise RejectedGossip("signature", "none of this listener's keys has signed it")
        return True


def signature_in(headers: Any) -> object:
    """The signature among a message's headers, whatever it is, for Keyring.is_verified()."""
    return headers.get(SIGNATURE, _UNSIGNED) if isinstance(headers, Mapping) else _UNSIGNED


def open_keyring(options: GossipOptions) -> Keyring:
    """The keys of these options; raises InvalidOption for a file without any, and never shows what is in it."""
    if options.secret_file is not None:
        secrets = _keys_in(options.secret_file)
    else:
        secrets = (options.secret,) if isinstance(options.secret, str) else tuple(options.secret or ())
    return Keyring(secrets, refuses_unsigned=options.refuse_unverified)


def _keys_in(path: str) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise InvalidOption(f"gossip_secret_file: cannot read {path!r}: {exc}") from exc
    lines = content.decode("utf-8", "surrogateescape").split("\n")  # half a character is no part of a key
    keys = tuple(line.strip() for line in lines if line.strip())
    if not 1 <= len(keys) <= MOST_KEYS or not all(map(is_key, keys)) or len(content) > _MOST_BYTES:
        found = f"{len(keys)} lines" if len(keys) > MOST_KEYS else "something else" if keys else "nothing"
        raise InvalidOption(f"gossip_secret_file: expected one line or two in {path!r}, each {KEY_RULE}; found {found}")
    return keys


def _sign(key: bytes, body: bytes) -> str:
    return hmac.digest(key, body, "sha256").hex()
