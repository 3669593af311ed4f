"""Numbers in English words, American style: no "and" inside, each digit of codes and decimals on its own."""

from functools import lru_cache

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MOST_COUNTED = 15
"""Digits of the largest number that is read as a count; a longer one is read digit by digit."""
_REMEMBERED = 1024
_GROUPED = {10: (3, 3, 4), 15: (4, 6, 5), 16: (4, 4, 4, 4)}
"""How runs of digits are grouped by length: telephone numbers and cards. Others go in threes."""
_UNGROUPED = 5
"""A run of up to so many digits has no pause inside."""


@lru_cache(_REMEMBERED)
def cardinal(number: int) -> str:
    """Say a whole number: 1234 becomes "one thousand two hundred thirty-four"."""
    return _said(number, "cardinal")


@lru_cache(_REMEMBERED)
def ordinal(number: int) -> str:
    """Say an ordinal number: 21 becomes "twenty-first"."""
    return _said(number, "ordinal")


@lru_cache(_REMEMBERED)
def year(number: int) -> str:
    """Say a year: 1905 becomes "nineteen oh five", 2005 "two thousand five", 1500 "fifteen hundred"."""
    return _said(number, "year").replace("oh-", "oh ")


def digits(text: str, pause: str = ", ") -> str:
    """Digit by digit, with a pause between the groups that people make."""
    if len(text) <= _UNGROUPED:
        return " ".join(DIGITS[int(digit)] for digit in text)
    sizes = _GROUPED.get(len(text)) or (3,) * (len(text) // 3 - 1) + (3 + len(text) % 3,)
    groups: list[str] = []
    at = 0
    for size in sizes:
        groups.append(" ".join(DIGITS[int(digit)] for digit in text[at : at + size]))
        at += size
    return pause.join(groups)


def number(text: str) -> str:
    """Give a number as written in English, grouped by commas or not, with a decimal point or not.

    A leading zero makes it a code, whose digits are all said; so are those after the point, the last zeros too.
    """
    whole, point, part = text.replace(",", "").partition(".")
    is_code = len(whole) > 1 and whole[0] == "0" and not point
    by_digit = is_code or len(whole) > MOST_COUNTED
    said = digits(whole) if by_digit else cardinal(int(whole or "0"))
    return f"{said} point {' '.join(DIGITS[int(digit)] for digit in part)}" if part else said


def fraction(over: int, under: int) -> str:
    """Say a fraction: 3, 4 becomes "three quarters"."""
    if under == 2:
        return "one half" if over == 1 else f"{cardinal(over)} halves"
    name = "quarter" if under == 4 else ordinal(under)
    return f"{cardinal(over)} {name}{'' if over == 1 else 's'}"


def plural(words: str) -> str:
    """Say the plural of a number: "twenty" becomes "twenties"."""
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return words + ("es" if words.endswith(("s", "x")) else "s")


def spelled(letters: str) -> str:
    """Capitals that are said one by one, as the tokenizer of the voice understands them: "P.D.F".

    An A that stands alone has its dot behind it, or it would be the article.
    """
    if len(letters) == 1:
        return "A." if letters.upper() == "A" else letters.upper()
    return ".".join(letters.upper())


def cardinal_with_and(number: int) -> str:
    """1205 becomes "one thousand two hundred and five", as the British say it."""
    return _words(number, "cardinal")


def _said(number: int, kind: str) -> str:
    return _words(number, kind).replace(" and ", " ")


def _words(number: int, kind: str) -> str:
    from num2words import (  # pyright: ignore[reportMissingTypeStubs] - 50 ms, with the first number
        num2words,  # pyright: ignore[reportUnknownVariableType]
    )

    words: str = num2words(number, lang="en", to=kind)
    return words.replace(",", "")
