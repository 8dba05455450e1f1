"""Bytes that are nearly what they were: JSON with something else in one place, or a few bytes changed anywhere."""

import json
from random import Random
from typing import Any

#: What json.dumps does not write, by the text that stands for it.
_NUMBERS = {
    "@huge": "9" * 400,
    "@beyond": "1e400",
    "@tiny": "-1e-400",
    "@zero": "-0.0",
    "@hex": "0x10",
    "@octal": "010",
    "@plus": "+1",
}
_TEXTS = (
    *("", "a", "online", "offline", "\n", "\x00", "\x1b[2J", "\u202e", "\ud800", "\udfff\ud800", "größe", "\U0001f600"),
    *("x" * 255, "x" * 256, "0123456789abcdef", "fedcba9876543210", "application/json", "base64", "compression"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 2**31, 2**53, 2**53 + 1, 2**63, -(2**63), 2**64, 10**30),
    *(0.0, 0.5, -0.5, 1e-9, 86_400.0, 86_400.1, 1e15, 1e300, float("nan"), float("inf"), float("-inf")),
    *([], {}, [[]], [1], ["a"], {"a": 1}, {"__type__": "bytes", "__value__": "x"}),
    *_TEXTS,
    *_NUMBERS,
)
_MOST_COPIES = 40


def mutated(body: bytes, random: Random) -> bytes:
    """One to four changes, most of them within the JSON where it is some."""
    for _ in range(random.randint(1, 4)):
        change = _with_another_value if random.random() < 0.7 else _with_other_bytes
        body = change(body, random)
    return body


def mutated_lines(body: bytes, random: Random) -> bytes:
    """Of several in one: a line is changed, said twice, left out or moved."""
    lines = body.split(b"\n")
    at = random.randrange(len(lines))
    match random.randrange(6):
        case 0:
            lines.insert(random.randrange(len(lines) + 1), lines[at])
        case 1:
            lines.insert(random.randrange(len(lines)), lines.pop(at))
        case 2 if len(lines) > 1:
            del lines[at]
        case _:
            delay, body = lines[at][:1], lines[at][1:]
            if random.random() < 0.2:
                delay = b"%d" % random.randrange(10)
            lines[at] = delay + mutated(body, random).replace(b"\n", b"")
    return b"\n".join(lines)


def _with_another_value(body: bytes, random: Random) -> bytes:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return _with_other_bytes(body, random)
    text = json.dumps(_changed(value, random), ensure_ascii=random.random() < 0.5)
    for name, number in _NUMBERS.items():
        text = text.replace(f'"{name}"', number)
    return text.encode("utf-8", "surrogatepass")


def _changed(value: Any, random: Random) -> Any:
    """The same but for one place in it."""
    if not isinstance(value, (dict, list)) or not value or random.random() < 0.1:
        return _another(value, random)
    if isinstance(value, list):
        return _changed_list(list(value), random)
    fields = dict(value)
    name = random.choice(sorted(fields))
    match random.randrange(8):
        case 0:
            del fields[name]
        case 1:
            fields[random.choice(_TEXTS)] = fields[name]
        case 2:
            fields[name] = fields[random.choice(sorted(fields))]
        case _:
            fields[name] = _changed(fields[name], random)
    return fields


def _changed_list(items: list[Any], random: Random) -> list[Any]:
    at = random.randrange(len(items))
    match random.randrange(6):
        case 0:
            del items[at]
        case 1:
            items += [items[at]] * random.randint(1, _MOST_COPIES)
        case 2:
            items.reverse()
        case _:
            items[at] = _changed(items[at], random)
    return items


def _another(value: Any, random: Random) -> Any:
    if isinstance(value, (int, float)) and abs(value) < 1e300 and random.random() < 0.3:
        return random.choice((value + 1, value - 1, -value, value * 2, float(value), str(value)))
    if random.random() < 0.05:
        return _deep(random.choice((50, 500, 900)), random)
    return random.choice(_VALUES)


def _deep(levels: int, random: Random) -> Any:
    value: Any = 1
    is_list = random.random() < 0.5
    for _ in range(levels):
        value = [value] if is_list else {"a": value}
    return value


def _with_other_bytes(body: bytes, random: Random) -> bytes:
    at, end = sorted(random.randint(0, len(body)) for _ in range(2))
    end = min(end, at + 64)
    match random.randrange(6):
        case 0 if body:
            bit = random.randrange(8 * len(body))
            return body[: bit // 8] + bytes([body[bit // 8] ^ 1 << bit % 8]) + body[bit // 8 + 1 :]
        case 1:
            return body[:at]
        case 2:
            return body[:at] + body[end:]
        case 3:
            return body[:at] + body[at:end] * random.randint(2, 8) + body[end:]
        case 4:
            return body[:at] + random.randbytes(random.randint(1, 8)) + body[at:]
        case _:
            return body[:at] + random.choice((b"[", b"{", b'"', b"\\ud800", b"\xff", b"\x00", b"]" * 50)) + body[end:]
