"""Takes out of text what no one can say, and tells whether anything is left."""

import unicodedata

from speech_service.domain.errors import InvalidOptionError
from speech_service.text.normal_form import normal_form

_KEPT_CONTROLS = frozenset("\n\t")
_JOINERS = frozenset("\u200c\u200d")
_FIRST_PICTOGRAPH = 0x2300
"""Symbols (category So) below are signs with a name: degree, copyright, number."""
_SPACED_CATEGORIES = frozenset(("Cc", "Cs", "Co", "Cn"))


def clean(text: str) -> str:
    """Give ``text`` in normal form C without what cannot be spoken.

    Control characters, unpaired surrogates, private characters and pictographs become a space; invisible format
    characters (soft hyphens, zero-width spaces, direction and byte order marks) go without a trace, so that the word
    around them stays one word. A joiner stays between letters, where some scripts need it. Line breaks stay.
    """
    text = (
        text.replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\u2028", "\n")
        .replace("\u2029", "\n\n")
    )
    if not text.isascii():
        text = "".join(_one(text, at) for at in range(len(text)))
        return normal_form("NFC", text)
    if text.isprintable():
        return text
    return "".join(_one(text, at) for at in range(len(text)))


def is_speakable(text: str) -> bool:
    """Whether there is a letter or a digit, in any script."""
    return any(char.isalnum() for char in text)


def has_words(text: str) -> bool:
    """Whether there is a letter, in any script: what has none is the same in every language."""
    return any(char.isalpha() for char in text)


def check_speakable(text: str) -> None:
    """Refuse a ``text`` that holds nothing to say.

    Raises:
        InvalidOptionError: it is empty, blank, or only punctuation and pictographs; reason ``NOTHING_TO_SPEAK``.
    """
    if is_speakable(text):
        return
    if not text:
        problem = "is empty"
    elif not clean(text).strip():
        problem = "holds only white space, control characters or pictographs"
    else:
        problem = "holds only punctuation and symbols"
    raise InvalidOptionError(
        "text", problem, "text with a letter or digit", reason="NOTHING_TO_SPEAK"
    )


def _one(text: str, at: int) -> str:
    """Say what stands for the character at ``at``."""
    char = text[at]
    if char in _KEPT_CONTROLS or " " <= char <= "~":
        return char
    if char in _JOINERS:
        return char if _between_letters(text, at) else ""
    category = unicodedata.category(char)
    if category in _SPACED_CATEGORIES:
        return " "
    if category == "So":
        return " " if ord(char) >= _FIRST_PICTOGRAPH else char
    is_part_of_pictograph = (
        category in ("Cf", "Me") or "\ufe00" <= char <= "\ufe0f" or ord(char) >= 0xE0000
    )
    if is_part_of_pictograph or "\U0001f3fb" <= char <= "\U0001f3ff":
        return ""
    return char


def _between_letters(text: str, at: int) -> bool:
    around = text[max(0, at - 1) : at] + text[at + 1 : at + 2]
    # A virama is a mark, and the joiner after it belongs to the letter.
    return len(around) == 2 and all(unicodedata.category(char)[0] in "LM" for char in around)
