"""A number is read as a whole or digit by digit, whatever touches it, never in parts.

What stands beside it is drawn from everything that people write there, and from what nobody does: an unknown unit must
not make a number fall apart ("1,284p" as "one,two eighty-four p").
"""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from hypothesis import example, given
from hypothesis import strategies as st

from speech_service.text.english.normalize import normalize
from speech_service.text.english.number_words import digits, number, year

_WHOLE = st.one_of(
    st.integers(0, 99), st.integers(100, 999), st.integers(1000, 9999), st.integers(10_000, 10**9)
)
_GROUPED = st.integers(1000, 10**9).map("{:,}".format)
_PART = st.from_regex(r"[0-9]{1,3}", fullmatch=True)
PARTED = st.one_of(_GROUPED, st.tuples(st.one_of(_GROUPED, _WHOLE.map(str)), _PART).map(".".join))
"""A number that holds commas, a point, or both."""
ANY = st.one_of(_WHOLE.map(str), PARTED)
_LETTERS = st.from_regex(r"[A-Za-z]{1,3}", fullmatch=True)
_SIGNS = st.sampled_from(list("#@&*^~!?;:'\"/|=+-–—<>()[]{}%°²…™·•_"))
BESIDE = st.one_of(_LETTERS, _SIGNS, st.tuples(_SIGNS, _LETTERS).map("".join))
BETWEEN = st.sampled_from(
    [
        *"-–/x×+=~≈<>·*&|±…",
        " to ",
        ", ",
        ": ",
        ":",
        "; ",
        " – ",
        " - ",
        "..",
        "--",
        "—",
        "q",
        "a",
        "(",
        "#",
    ]
)
_NAMED = {"st", "nd", "rd", "th", "s", "'s", "p", "h", "hrs", "z"}
"""What makes another word of a number, or a time of day; lines of a picture are said as a year is."""


def words(text: str) -> list[str]:
    """Words alone."""
    return re.findall(r"[a-z]+", text.casefold())


def readings(text: str) -> list[list[str]]:
    """As one number, digit by digit, or as a year."""
    run = text.replace(",", "")
    ways = [number(text)]
    if run.isdecimal():
        ways += [digits(run)]
        ways += [year(int(run))] if len(run) == 4 else []
    return [words(way) for way in ways]


def is_within(part: list[str], whole: list[str]) -> bool:
    """Whether the words follow each other there."""
    return any(whole[at : at + len(part)] == part for at in range(len(whole)))


def is_whole(said: str) -> bool:
    """Whether no digit is left, and no comma or dot between letters but those of initials."""
    return not re.search(r"\d|[a-z][.,][a-z]", said)


@given(ANY, BESIDE)
def test_it_is_whole_before_anything(text: str, beside: str) -> None:
    said = normalize(f"It was {text}{beside} then")
    assert is_whole(said), said
    if beside.casefold() not in _NAMED and not text.endswith(("e", "E")):
        assert any(is_within(way, words(said)) for way in readings(text)), said


@given(PARTED, BETWEEN, PARTED, st.one_of(st.just(""), BESIDE))
@example("1,000", "-", "1,000", "/a")
def test_two_of_them_are_whole(first: str, between: str, second: str, beside: str) -> None:
    said = normalize(f"It was {first}{between}{second}{beside} then")
    assert is_whole(said), said
    for text in (first, second):
        assert any(is_within(way, words(said)) for way in readings(text)), said


def names_no_money_or_version(letters: str) -> bool:
    """Whether the letters before a number change how it is read: "v2.10", "USD2.10", "Rs2.10", "R2.10"."""
    return letters.casefold() not in ("v", "rs", "r", "kr") and not letters[2:].isupper()


@given(_LETTERS.filter(names_no_money_or_version), PARTED)
def test_it_is_whole_behind_letters(letters: str, text: str) -> None:
    said = normalize(f"It was {letters}{text} then")
    assert is_whole(said), said
    assert any(is_within(way, words(said)) for way in readings(text)), said
