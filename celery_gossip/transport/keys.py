"""Reads the signing keys that the options name. Called once, when a broker is opened."""

from celery_gossip.errors import InvalidOption
from celery_gossip.options import KEY_RULE, MAX_KEY_LENGTH, MAX_KEYS, GossipOptions, is_valid_key
from celery_gossip.wire.signing import Keyring

__all__ = ["open_keyring"]

_MAX_BYTES = 8 * MAX_KEY_LENGTH * MAX_KEYS  #: bytes of a file; a longer file cannot hold valid keys


def open_keyring(options: GossipOptions) -> Keyring:
    """Return the keys of these options. Raises InvalidOption, which never quotes the content, for an invalid file."""
    if options.secret_file is not None:
        secrets = _keys_in(options.secret_file)
    else:
        secrets = (options.secret,) if isinstance(options.secret, str) else tuple(options.secret or ())
    return Keyring(secrets, refuses_unsigned=options.refuse_unverified)


def _keys_in(path: str) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise InvalidOption(f"gossip_secret_file: cannot read {path!r}: {exc}") from exc
    lines = content.decode("utf-8", "surrogateescape").split("\n")  # is_valid_key() rejects invalid UTF-8
    keys = tuple(line.strip() for line in lines if line.strip())
    if not 1 <= len(keys) <= MAX_KEYS or not all(map(is_valid_key, keys)) or len(content) > _MAX_BYTES:
        found = f"{len(keys)} lines" if len(keys) > MAX_KEYS else "something else" if keys else "nothing"
        raise InvalidOption(
            f"gossip_secret_file: expected one or two lines in {path!r}, each {KEY_RULE}; found {found}"
        )
    return keys
