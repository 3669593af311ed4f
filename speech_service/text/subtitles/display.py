"""How text stands on a screen: width in columns, and the smallest pieces that a line may be cut into."""

# ruff: noqa: RUF001 - punctuation of many scripts is the data of this module

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, pairwise

import wcwidth

_CLOSING = frozenset(
    "!%),.:;?]}¢°’”›»‼⁇⁈⁉℃、。〉》」』】〕〗〙〟〞︰﹐﹑﹒﹔﹕﹖﹗！＂％＇），．：；？］｝｠｡｣､･・ー々〻ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ…—"
)
"""What may not begin a line: closing punctuation, small kana, marks of length and repetition (JIS X 4051)."""
_OPENING = frozenset("([{£¥‘“‹«〈《「『【〔〖〘〝（＄［｛｟｢")
"""Characters that may not end a line."""
_KEPT_CHARACTERS = 32
"""Longer words are measured anew each time: what is remembered is bounded."""


def width(text: str) -> int:
    """Columns of ``text``: wide characters take two, combining marks none. Control characters take none."""
    return _known_width(text) if len(text) <= _KEPT_CHARACTERS else _width(text)


@lru_cache(maxsize=4096)
def _known_width(text: str) -> int:
    return _width(text)


def _width(text: str) -> int:
    columns = wcwidth.wcswidth(text)
    if columns >= 0:
        return columns
    return sum(max(0, wcwidth.wcwidth(char)) for char in text)


def is_unspaced(char: str) -> bool:
    """True for Han, kana and their punctuation: scripts without spaces, where a line may end after any character.

    No character at all is none of them.
    """
    code = ord(char) if char else 0
    return (
        0x2E80 <= code <= 0x312F
        or 0x3190 <= code <= 0x4DBF
        or 0x4E00 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0xFF01 <= code <= 0xFF9F
        or 0x20000 <= code <= 0x3FFFF
    )


def pieces(word: str) -> list[str]:
    """Cut a word without spaces where a line may end.

    Words of Han or kana are cut at each character, but not before what may not begin a line or after what may not end
    one. Anything else stays whole, also within them.
    """
    starts = [0]
    starts += [at for at in range(1, len(word)) if _may_part(word[at - 1], word[at])]
    return _split(word, starts)


def fit(word: str, columns: int) -> list[str]:
    """Cut a word that is wider than a line into parts that are not.

    A character stays with its marks, but for marks that take columns of their own and more than a line of them.
    """
    if width(word) <= columns:
        return [word]
    starts, at, taken = [0], 0, 0
    clusters = _clusters(word)
    for cluster in chain.from_iterable(c if width(c) > columns else (c,) for c in clusters):
        columns_more = width(cluster)
        if at > starts[-1] and taken + columns_more > columns:
            starts.append(at)
            taken = 0
        at += len(cluster)
        taken += columns_more
    return _split(word, starts)


def _split(word: str, starts: Sequence[int]) -> list[str]:
    """Give the word in parts that begin at ``starts``, the first of which is 0."""
    return [word[begin:end] for begin, end in pairwise([*starts, len(word)])]


def _may_part(last: str, char: str) -> bool:
    if not is_unspaced(last) and not is_unspaced(char):
        return False
    if char in _CLOSING or last in _OPENING or _is_mark(char):
        return False
    if _is_space_free_punctuation(char) and not is_unspaced(char):
        return False
    return char != "\u200d" and last != "\u200d"


def _is_space_free_punctuation(char: str) -> bool:
    return unicodedata.category(char) in ("Pe", "Pf", "Po") and char not in _OPENING


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in ("Mn", "Me", "Mc", "Cf", "Sk")


def _clusters(word: str) -> list[str]:
    starts = [0]
    starts += [
        at for at in range(1, len(word)) if not _is_mark(word[at]) and word[at - 1] != "\u200d"
    ]
    return _split(word, starts)
