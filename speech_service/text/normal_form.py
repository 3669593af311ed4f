"""Unicode normal forms in time that grows with the text: the library sorts marks one by one."""

import unicodedata
from collections.abc import Iterator
from typing import Literal

MAX_MARKS = 30
"""Marks in a row that are put in order together, as in the Stream-Safe Text Format of UAX #15. No script needs more."""


def normal_form(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
    """Give ``text`` in a normal form. Of a longer run of marks, each ``MAX_MARKS`` are normalized by themselves."""
    if len(text) <= MAX_MARKS or text.isascii():
        return unicodedata.normalize(form, text)
    return "".join(unicodedata.normalize(form, part) for part in _safe(text))


def _safe(text: str) -> Iterator[str]:
    """Give the text in parts that hold no long run of marks but at their end."""
    begin = marks = 0
    for at, char in enumerate(text):
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks > MAX_MARKS:
            yield text[begin:at]
            begin, marks = at, 1
    yield text[begin:]
