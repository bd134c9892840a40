"""Seeded ways to spoil bytes and JSON."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

MOST_BYTES = 1 << 20  # of an input


def nested(levels: int) -> Any:
    """Lists inside each other."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3.5, 2**31, 2**63, 10**30, 10**400, 1e308, float("nan"), float("inf"),
    "", " ", "x", "O", "B-", "I-person", "person", "(", ":", "\ud800", "\x1b[31m", "\x00", "\u200b", "\u00a0",
    "\ufeff", "e\u0301", "\U0001f600", "../x", "/nowhere/x", "a" * 5000, "9" * 5000, "🇫🇷" * 300, [], [[]],
    [None], {}, {"": ""}, {"a": {"a": {}}}, [0, 1, "person"], {"start": 0, "end": 1, "type": "person"}, nested(40),
    nested(300),
]  # fmt: skip
TOKENS = [
    b"\n", b"\r", b"\r\n", b"\n\n", b"\t", b" ", b",", b'"', b"\\", b"#", b"-", b"|", b"[", b"]", b"{", b"}", b"\x00",
    b"\x1b", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"B-person", b"I-", b"O", b"E-", b"_", b"-DOCSTART-", b"NER=",
    b"null", b'"entities"', b'"start": 10000000000', "\u00a0".encode(), "\u2028".encode(), "\u0085".encode(),
    "\u0600 ".encode(), "\U0001f468\u200d\U0001f469".encode(), b"=" * 300, b"PK\x01\x02", b"PK\x05\x06",
]  # fmt: skip


def spoil_json(rng: random.Random, value: Any) -> Any:
    """A copy of a JSON value with one to three places changed."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return rng.choice(ODD)
        holder, key = rng.choice(places)
        _change(rng, holder, key)
    return value


def dump(rng: random.Random, value: Any, **options: Any) -> bytes:
    """JSON as one program or another writes it."""
    try:
        return json.dumps(value, ensure_ascii=rng.random() < 0.5, **options).encode("utf-8", "surrogatepass")
    except RecursionError:
        return b"[" * 10_000


def spoil_bytes(rng: random.Random, data: bytes, other: bytes = b"") -> bytes:
    """The bytes after one to four changes, a megabyte at most; `other` gives pieces to put in.

    Lines doubled again and again would make 50 MB, which take seconds to read because they are many.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_WAYS)(rng, data, other)
    return data[:MOST_BYTES]


def _places(value: Any, depth: int = 0) -> list[tuple[Any, Any]]:
    if depth > 30:
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    inner = [place for key in keys for place in _places(value[key], depth + 1)]
    return [(value, key) for key in keys] + inner


def _change(rng: random.Random, holder: Any, key: Any) -> None:
    way = rng.randrange(7)
    if way == 0:
        del holder[key]
    elif way == 1:
        holder[key] = [holder[key]]
    elif way == 2 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif way == 3 and isinstance(holder, dict):
        holder[rng.choice(("x", "entities", "spans", "tokens", "text", "label", "\ud800"))] = holder.pop(key)
    elif way == 4 and type(holder[key]) is int:
        holder[key] += rng.choice((-2, -1, 1, 2, 100))
    elif way == 5 and isinstance(holder[key], str):
        text = holder[key]
        cut = rng.randint(0, len(text))
        holder[key] = text[:cut] + str(rng.choice(ODD))[:50] + text[cut:]
    else:
        holder[key] = copy.deepcopy(rng.choice(ODD))


def _slice(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.choice((1, 2, 5, 20, 100)))


def _flip(rng: random.Random, data: bytes, other: bytes) -> bytes:
    if not data:
        return b"\x00"
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _cut(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = _slice(rng, data)
    return data[:start] + data[end:]


def _twice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = _slice(rng, data)
    return data[:end] + data[start:end] * rng.choice((1, 1, 3, 50)) + data[end:]


def _insert(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(TOKENS) + data[at:]


def _end(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = _slice(rng, other)
    at = rng.randint(0, len(data))
    return data[:at] + other[start : end + 200] + data[at:]


def _lines(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Lines doubled, dropped, exchanged or parted otherwise."""
    lines = data.split(b"\n")
    first = rng.randrange(len(lines))
    second = rng.randrange(len(lines))
    way = rng.randrange(5)
    if way == 0:
        del lines[first]
    elif way == 1:
        lines[first], lines[second] = lines[second], lines[first]
    elif way == 2:
        lines.insert(second, lines[first])
    elif way == 3:
        return rng.choice((b"\r\n", b"\r", b"\n\n", b"\n \n")).join(lines)
    else:
        lines = lines * rng.choice((2, 30))
    return b"\n".join(lines)


def _columns(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Columns of a table exchanged, doubled or parted otherwise."""
    rows = [line.split(b"\t") for line in data.split(b"\n")]
    way = rng.randrange(4)
    if way == 0:
        rows = [row[::-1] for row in rows]
    elif way == 1:
        rows = [[str(i).encode(), *row] if row != [b""] else row for i, row in enumerate(rows)]
    elif way == 2:
        rows = [[*row, row[-1]] if row != [b""] else row for row in rows]
    return b"\n".join((b" " if way == 3 else b"\t").join(row) for row in rows)


_WAYS: list[Callable[[random.Random, bytes, bytes], bytes]] = [
    _flip, _cut, _twice, _insert, _insert, _insert, _end, _splice, _lines, _lines, _columns,
]  # fmt: skip
