"""Damages files as disks, networks and programs do, each time in the same way for the same seed."""

import random
from collections.abc import Callable, Mapping

WAYS: "Mapping[str, Callable[[bytes, random.Random], bytes]]"


def damaged(data: bytes, way: str, seed: int) -> bytes:
    """``data`` after one accident of the kind ``way`` (of ``WAYS``)."""
    return WAYS[way](data, random.Random(f"{way} {seed}"))


def _place(data: bytes, draw: random.Random) -> int:
    """Not in the first tenth: a lost header is another story."""
    return draw.randrange(len(data) // 10, len(data))


def _cut(data: bytes, draw: random.Random) -> bytes:
    return data[: _place(data, draw)]


def _minus_one(data: bytes, _: random.Random) -> bytes:
    return data[:-1]


def _flipped(data: bytes, draw: random.Random) -> bytes:
    at = _place(data, draw)
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


def _zeroed(data: bytes, draw: random.Random) -> bytes:
    at, size = _place(data, draw), draw.choice((16, 512, 2048))
    hole = bytes(min(size, len(data) - at))
    return data[:at] + hole + data[at + len(hole) :]


def _dropped(data: bytes, draw: random.Random) -> bytes:
    at = _place(data, draw)
    return data[:at] + data[at + draw.choice((1, 188, 1400)) :]


def _inserted(data: bytes, draw: random.Random) -> bytes:
    at = _place(data, draw)
    return data[:at] + bytes(draw.choice((1, 500))) + data[at:]


def _noise(data: bytes, draw: random.Random) -> bytes:
    at, size = _place(data, draw), draw.choice((8, 300))
    return data[:at] + draw.randbytes(size) + data[at + size :]


def _zeros_behind(data: bytes, draw: random.Random) -> bytes:
    return data + bytes(draw.choice((1, 500, 4096)))


def _text_behind(data: bytes, draw: random.Random) -> bytes:
    return data + b"uploaded by a form that adds a line\r\n" * draw.randint(1, 40)


def _tag_behind(data: bytes, _: random.Random) -> bytes:
    """An ID3v1 tag, which players put behind anything."""
    return data + b"TAG" + b"a title".ljust(125, b"\0")


def _joined(data: bytes, _: random.Random) -> bytes:
    return data + data


WAYS = {
    "cut": _cut,
    "minus one byte": _minus_one,
    "bit flipped": _flipped,
    "zeros over it": _zeroed,
    "bytes dropped": _dropped,
    "zeros put in": _inserted,
    "noise over it": _noise,
    "zeros behind": _zeros_behind,
    "text behind": _text_behind,
    "tag behind": _tag_behind,
    "joined to itself": _joined,
}
