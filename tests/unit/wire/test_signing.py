"""Keys sign and verify; errors in a key file are described without its content."""

import hashlib
import hmac
import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from celery_gossip.errors import InvalidOption, RejectedGossip
from celery_gossip.options import GossipOptions
from celery_gossip.transport.keys import open_keyring
from celery_gossip.wire.signing import SIGNATURE, Keyring, find_signature

KEY, OTHER = "a key of sixteen", "another key, longer than sixteen"
BODY = b'{"v": 1}'


def signature_of(body: bytes = BODY, key: str = KEY) -> Any:
    return Keyring([key]).signature_headers(body)[SIGNATURE]


def reason_of(keyring: Keyring, signature: object, body: bytes = BODY) -> str:
    with pytest.raises(RejectedGossip) as refused:
        keyring.verify(body, signature)
    return refused.value.reason


def test_a_signature_is_hmac_sha256_of_the_bytes_in_lower_case_hex() -> None:
    expected = hmac.new(KEY.encode(), BODY, hashlib.sha256).hexdigest()
    assert Keyring([KEY]).signature_headers(BODY) == {"gossip_signature": expected}


def test_what_was_signed_is_verified() -> None:
    assert Keyring([KEY]).verify(BODY, signature_of()) is True


def test_without_a_key_nothing_is_signed_and_nothing_can_be_told() -> None:
    assert Keyring().signature_headers(BODY) == {}
    assert Keyring().verify(BODY, signature_of()) is None
    assert Keyring().verify(BODY, find_signature({SIGNATURE: 1})) is None


def test_what_bears_no_signature_is_unverified_or_refused_by_option() -> None:
    unsigned = find_signature({})
    assert Keyring([KEY]).verify(BODY, unsigned) is False
    assert reason_of(Keyring([KEY], refuses_unsigned=True), unsigned) == "unsigned"


def test_of_two_keys_the_first_signs_and_both_are_known() -> None:
    keyring = Keyring([KEY, OTHER])
    assert keyring.signature_headers(BODY) == Keyring([KEY]).signature_headers(BODY)
    assert keyring.verify(BODY, signature_of(key=KEY)) and keyring.verify(BODY, signature_of(key=OTHER))


def test_a_change_of_keys_leaves_no_gap() -> None:
    """Workers and listeners take each step one by one, and every listener verifies every worker at any time."""
    steps = [Keyring([KEY]), Keyring([KEY, OTHER]), Keyring([OTHER, KEY]), Keyring([OTHER])]
    for before, after in itertools.pairwise(steps):
        for speaker in (before, after):
            for listener in (before, after):
                assert listener.verify(BODY, find_signature(speaker.signature_headers(BODY)))


@pytest.mark.parametrize(
    "signature",
    [
        signature_of(key=OTHER),
        signature_of(body=BODY + b" "),
        signature_of()[:-1],
        signature_of() + "0",
        signature_of().upper(),
        signature_of().encode(),
        "",
        "é" * 64,
        "\ud800" * 64,
        "0" * 1_000_000,
        None,
        0,
        int(signature_of(), 16),
        True,
        [signature_of()],
        {"a": 1},
    ],
    ids=lambda signature: repr(signature)[:20],
)
def test_any_other_signature_is_wrong(signature: Any) -> None:
    for refuses in (True, False):
        assert (
            reason_of(Keyring([KEY], refuses_unsigned=refuses), find_signature({SIGNATURE: signature})) == "signature"
        )


@pytest.mark.parametrize("at", range(len(BODY)))
def test_a_change_of_any_byte_is_seen(at: int) -> None:
    changed = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
    assert reason_of(Keyring([KEY]), signature_of(), changed) == "signature"


@pytest.mark.parametrize("headers", [None, {}, [], "gossip_signature", 1, {"other": 1}])
def test_headers_without_a_signature_are_those_of_a_body_that_bears_none(headers: Any) -> None:
    assert Keyring([KEY]).verify(BODY, find_signature(headers)) is False


def test_a_keyring_shows_no_key() -> None:
    assert KEY not in repr(Keyring([KEY])) + str(Keyring([KEY]))


# Sources of the keys.


def opened(path: Path) -> Keyring:
    return open_keyring(GossipOptions(secret_file=str(path)))


@pytest.mark.parametrize("secret", [KEY, [KEY], (KEY, OTHER)])
def test_keys_may_be_given_as_an_option(secret: Any) -> None:
    assert open_keyring(GossipOptions(secret=secret)).signature_headers(BODY) == Keyring([KEY]).signature_headers(BODY)


def test_without_a_secret_there_is_no_key() -> None:
    assert open_keyring(GossipOptions()).signature_headers(BODY) == {}


def test_the_option_refuses_what_bears_no_signature() -> None:
    keyring = open_keyring(GossipOptions(secret=KEY, refuse_unverified=True))
    assert reason_of(keyring, find_signature({})) == "unsigned"


@pytest.mark.parametrize(
    "content",
    [KEY, f"{KEY}\n", f"  {KEY}\t\r\n", f"\n\n{KEY}\n\n", f"{KEY}\n{OTHER}\n", f"{KEY}\r\n \r\n{OTHER}"],
    ids=repr,
)
def test_a_file_holds_a_key_or_two_whatever_white_space_is_round_them(content: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content.encode())
    assert opened(path).signature_headers(BODY) == Keyring([KEY]).signature_headers(BODY)
    if OTHER in content:
        assert opened(path).verify(BODY, signature_of(key=OTHER))


def test_a_key_in_a_file_and_the_same_as_an_option_are_one(tmp_path: Path) -> None:
    key = "größe \u2028 日本語 0123456789"
    path = tmp_path / "keys"
    path.write_text(f"{key}\n", encoding="utf-8")
    assert opened(path).signature_headers(BODY) == Keyring([key]).signature_headers(BODY)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "found nothing"),
        (b" \n\t\n", "found nothing"),
        (b"too short", "found something else"),
        (f"{KEY}\ntoo short".encode(), "found something else"),
        (b"k" * 1025, "found something else"),
        (f"{KEY}\n{OTHER}\n{KEY} 3".encode(), "found 3 lines"),
        (b"\xff\xfe" * 20, "found something else"),
        (b" " * 20_000 + KEY.encode(), "found nothing"),
        (KEY.encode() + b"\n" * 20_000, "found something else"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_file_that_holds_something_else_is_refused_without_its_content(
    content: bytes, found: str, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(InvalidOption) as refused:
        opened(path)
    text = str(refused.value)
    assert text.startswith(f"gossip_secret_file: expected one or two lines in {str(path)!r}, each a text of 16 to 1024")
    assert text.endswith(found) and "\n" not in text
    assert not any(line.strip() in text for line in content.decode("latin-1").split("\n") if line.strip())


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(InvalidOption, match="gossip_secret_file"):
        opened(Path("/dev/zero"))


@pytest.mark.parametrize("path", ["missing", "."])
def test_a_file_that_cannot_be_read_is_refused_with_its_path_and_why(path: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption) as refused:
        opened(tmp_path / path)
    assert str(refused.value).startswith(f"gossip_secret_file: cannot read {str(tmp_path / path)!r}: [Errno ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(KEY)
    path.chmod(0)
    with pytest.raises(InvalidOption, match="Permission denied"):
        opened(path)
