"""Text in units that a reader takes in one after the other: words, and of scripts without spaces, characters.

A unit carries the white space before it, and never ends inside a grapheme cluster (UAX #29): a letter stays with its
marks, an emoji with what is joined to it, a Hangul syllable with its jamo.
"""

import re
from functools import lru_cache
from typing import Any

_WORD = re.compile(r"\S++")
# Line-break classes (UAX #14) say where a script needs no space: ideographs and kana (ID, CJ, NS), the scripts of
# South-East Asia (SA), and the wide punctuation among them. Three more, of older classes, are named by themselves.
_UNSPACED = r"[[\p{lb=ID}\p{lb=CJ}\p{lb=NS}\p{lb=SA}\p{Tibt}\p{Java}\p{Bali}[[\p{ea=W}\p{ea=F}]&&\p{P}]]--\p{Hang}]"
# Khmer and Myanmar write a consonant below the one before it; the sign between them shows nothing by itself.
_CLUSTER = r"(?:\X(?<=[\u17d2\u1039\u1a60]))*+\X"


def units(text: str) -> list[str]:
    """Give the units in order; joined they are ``text`` without the white space at its end."""
    text = text.rstrip()  # or each space at the end would be a start to try
    if text.isascii():
        ends = [word.end() for word in _WORD.finditer(text)]
        return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    return _patterns()[0].findall(text)


def is_unspaced(unit: str) -> bool:
    """Whether the unit is one character of a script without spaces, rather than a word."""
    return not unit.isascii() and _patterns()[1].match(unit) is not None


def ends_character(text: str, at: int) -> bool:
    """Whether ``text[:at]`` ends where a grapheme cluster does."""
    if at in (0, len(text)) or text.isascii():
        return True
    return any(cluster.end() == at for cluster in _patterns()[2].finditer(text))


@lru_cache(1)
def _patterns() -> tuple[Any, Any, Any]:
    """Made with the first text that needs them: ``regex`` takes 3 MB, which English alone does without."""
    import regex

    flags = regex.VERSION1
    unit = rf"\s*+(?:(?={_UNSPACED}){_CLUSTER}|(?:(?!{_UNSPACED}|\s){_CLUSTER})+)"
    return (
        regex.compile(unit, flags),
        regex.compile(rf"\s*+{_UNSPACED}", flags),
        regex.compile(_CLUSTER, flags),
    )
