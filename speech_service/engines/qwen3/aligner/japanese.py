"""Japanese words by nagisa (MIT, https://github.com/taishi-i/nagisa), as the aligner was trained on.

nagisa works on text in compatibility form (NFKC), which may be shorter or longer than the text: half-width kana with
their voicing marks become one character. Its words are led back to where they stand.
"""

import importlib
import threading
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from speech_service.domain.errors import InvalidOptionError
from speech_service.engines.qwen3.aligner.words import AlignerWord, is_spoken
from speech_service.text.normal_form import normal_form

Segmenter = Callable[[str], Sequence[str]]
"""Cuts text into words, which joined are the text but for white space."""

PACKAGE = "nagisa"
_HALF_WIDTH_MARKS = "\uff9e\uff9f"
_lock = threading.Lock()


def nagisa_segmenter() -> Segmenter:
    """Load nagisa's model. Lanes take turns: its runtime keeps one graph per process.

    Raises:
        ImportError: nagisa is not installed.
    """
    module: Any = importlib.import_module(PACKAGE)

    def segment(text: str) -> Sequence[str]:
        with _lock:
            return module.wakati(text)

    return segment


def japanese_words(text: str, segment: Segmenter) -> list[AlignerWord]:
    """Words of ``text``.

    Raises:
        InvalidOptionError: the segmenter's words are not the text's letters, so that they have no place in it.
    """
    letters = _letters(text)
    plain = normal_form("NFKC", text)
    found = [_spoken(word) for word in segment(plain)] if letters else []
    if "".join(found) != "".join(letter for letter, _, _ in letters):
        raise InvalidOptionError("text", "cannot be cut into Japanese words")
    words: list[AlignerWord] = []
    at = 0
    for word in filter(None, found):
        own = letters[at : at + len(word)]
        words.append(AlignerWord(own[0][1], own[-1][2], word))
        at += len(word)
    return words


def _letters(text: str) -> list[tuple[str, int, int]]:
    """The spoken characters of the text's compatibility form, each with the place that it comes from."""
    starts = [
        at
        for at, char in enumerate(text)
        if not at or not (unicodedata.combining(char) or char in _HALF_WIDTH_MARKS)
    ]
    places = zip(starts, [*starts[1:], len(text)], strict=True)
    return [
        (char, begin, end)
        for begin, end in places
        for char in _spoken(normal_form("NFKC", text[begin:end]))
    ]


def _spoken(word: str) -> str:
    return "".join(filter(is_spoken, word))
