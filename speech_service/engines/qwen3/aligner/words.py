"""How text is cut into the words that the aligner places. It was trained on these cuts, so they are the package's.

Chinese characters stand alone. Languages written with spaces are cut at them, Korean once more behind a known word, and
Japanese by a morphological analyser. Of each piece only letters, digits and apostrophes are spoken. The rules are
those of qwen-asr 0.0.6; here every word also knows its place in the text.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
)
_KANA = (0x3041, 0x30FF)
_HANGUL = (0xAC00, 0xD7A3)


@dataclass(frozen=True, slots=True)
class AlignerWord:
    """What stands at code points ``[char_start, char_end)`` of the text, and the letters that the model is given."""

    char_start: int
    char_end: int
    spoken: str


WordRule = Callable[[str], list[AlignerWord]]
"""Words of a text in its order."""


def spaced_words(text: str) -> list[AlignerWord]:
    """Cut at white space and around ideographs."""
    words: list[AlignerWord] = []
    for begin, end in _chunks(text):
        run: list[int] = []
        for at in range(begin, end):
            if _is_ideograph(text[at]):
                words += word_of(text, run)
                words.append(AlignerWord(at, at + 1, text[at]))
                run = []
            elif is_spoken(text[at]):
                run.append(at)
        words += word_of(text, run)
    return words


def korean_words(text: str, known: frozenset[str]) -> list[AlignerWord]:
    """Cut at white space, and each piece once more behind the longest of its beginnings that is in ``known``.

    A beginning has two characters or more; a piece without a known one stays whole. That is what the L-tokenizer of
    soynlp does with equal scores.
    """
    words: list[AlignerWord] = []
    for begin, end in _chunks(text):
        longest = min(end, begin + _longest(known))
        cuts = range(longest, begin + 1, -1) if end - begin > 2 else ()
        cut = next((at for at in cuts if text[begin:at] in known), end)
        for first, last in ((begin, cut), (cut, end)):
            words += word_of(text, [at for at in range(first, last) if is_spoken(text[at])])
    return words


@cache
def korean_dictionary() -> frozenset[str]:
    """The Korean words that the aligner was trained with: those of qwen-asr 0.0.6 (Apache-2.0)."""
    return frozenset(Path(__file__).with_name("korean_words.txt").read_text("utf-8").split())


@cache
def _longest(known: frozenset[str]) -> int:
    return max(map(len, known), default=0)


def word_of(text: str, places: list[int]) -> Iterator[AlignerWord]:
    """The word of the characters at ``places``, with the marks behind it; nothing where there are none."""
    if places:
        end = places[-1] + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        yield AlignerWord(places[0], end, "".join(text[at] for at in places))


def is_spoken(char: str) -> bool:
    """Letters, digits and the apostrophe."""
    return char == "'" or unicodedata.category(char)[0] in "LN"


def has_kana(text: str) -> bool:
    """Text with kana is Japanese."""
    return any(_KANA[0] <= ord(char) <= _KANA[1] for char in text)


def has_hangul(text: str) -> bool:
    """Text with Hangul syllables is Korean."""
    return any(_HANGUL[0] <= ord(char) <= _HANGUL[1] for char in text)


def _chunks(text: str) -> Iterable[tuple[int, int]]:
    """Begin and end of what is between white space."""
    begin = None
    for at, char in enumerate(text):
        if char.isspace():
            if begin is not None:
                yield begin, at
            begin = None
        elif begin is None:
            begin = at
    if begin is not None:
        yield begin, len(text)


def _is_ideograph(char: str) -> bool:
    code = ord(char)
    return any(first <= code <= last for first, last in _IDEOGRAPHS)
