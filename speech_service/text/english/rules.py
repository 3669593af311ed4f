"""A rule of how writing is read: a pattern, and what is said for it.

Patterns are bounded: no repetition stands in or next to another one that may take the same characters, so reading is
linear in the length of the text.
"""

import re
from collections.abc import Iterable

from speech_service.text.traced import Replacement

Rule = tuple[re.Pattern[str], Replacement]

NUMBER = r"(?!(?<=\d,)\d{3}(?!\d))(?>\d{1,3}(?:,\d{3}){1,6}(?!\d)|\d{1,30})(?:\.\d{1,20})?+"
"""A number as written in English, without a sign: the whole of it, never its last group alone nor its first."""
MINUS = r"(?:(?<![\w.,)\]%-])[-\u2212])?"
"""A sign in front of a number, where it is none of a range or a word."""


def rule(pattern: str, replacement: Replacement, *, any_case: bool = False) -> Rule:
    """Make one; ``any_case`` ignores case."""
    return re.compile(pattern, re.IGNORECASE if any_case else 0), replacement


def any_of(words: Iterable[str]) -> str:
    """Give a pattern for one of the words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def full_stop(match: re.Match[str]) -> str:
    """A dot behind a unit is a full stop where a sentence may end."""
    rest = match.string[match.end() : match.end() + 8].lstrip()
    return "." if not rest or rest[0].isupper() else ""
