"""Text becomes spoken words with exact spans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.text.spoken.numbers import number_readings
from speech_service.text.spoken.reading import MAX_READINGS, spoken_units


def words(text: str) -> list[str]:
    return [text[unit.char_start : unit.char_end] for unit in spoken_units(text)]


def first(text: str) -> list[str]:
    return [" ".join(unit.readings[0]) if unit.readings else "" for unit in spoken_units(text)]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("", []),
        (" \n\t ", []),
        ("Hello, world!", ["Hello", "world"]),
        ('"Yes," (he) said...', ["Yes", "he", "said"]),
        ("one\u2014two\u2026three", ["one", "two", "three"]),
        ("well-known rock'n'roll", ["well-known", "rock'n'roll"]),
        ("the U.S. and e.g. this.", ["the", "U.S.", "and", "e.g.", "this"]),
        ("$5 or 10% & more", ["$5", "or", "10%", "&", "more"]),
        ("- ... ! ?", []),
        ("\U0001f389 \u2192 ok", ["\U0001f389", "\u2192", "ok"]),
    ],
)
def test_spans_cover_the_word_without_the_punctuation_around_it(
    text: str, spans: list[str]
) -> None:
    assert words(text) == spans


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("It\u2019s", ["it's"]),
        ("Mr. Smith", ["mister", "smith"]),
        ("7", ["seven"]),
        ("1990", ["nineteen ninety"]),
        ("2005", ["two thousand five"]),
        ("1,250", ["one thousand two hundred fifty"]),
        ("3.14", ["three point one four"]),
        ("$9.99", ["nine dollars ninety nine cents"]),
        ("$1", ["one dollar"]),
        ("5%", ["five percent"]),
        ("10:30", ["ten thirty"]),
        ("3rd", ["third"]),
        ("20th", ["twentieth"]),
        ("1990s", ["nineteen nineties"]),
        ("B2B", ["b two b"]),
        ("100,000,000,000,000,000", ["one hundred quadrillion"]),
        ("\U0001f600", [""]),
        ("FBI", ["fbi"]),
    ],
)
def test_numbers_and_signs_are_spoken(text: str, spoken: list[str]) -> None:
    assert first(text) == spoken


def test_a_number_has_several_readings() -> None:
    (unit,) = spoken_units("1990")
    assert ("nineteen", "ninety") in unit.readings
    assert ("one", "nine", "nine", "zero") in unit.readings
    (acronym,) = spoken_units("FBI")
    assert ("f", "b", "i") in acronym.readings


@given(st.integers(min_value=0, max_value=10**18 - 1))
def test_every_whole_number_has_words(value: int) -> None:
    readings = number_readings(f"{value:,}")
    assert readings
    assert all(word.isalpha() for reading in readings for word in reading)


@given(st.text(max_size=200))
def test_units_are_in_order_and_inside_the_text(text: str) -> None:
    last = 0
    for unit in spoken_units(text):
        assert last <= unit.char_start < unit.char_end <= len(text)
        assert not any(char.isspace() for char in text[unit.char_start : unit.char_end])
        assert len(unit.readings) <= MAX_READINGS
        assert all(reading and all(reading) for reading in unit.readings)
        last = unit.char_end


@given(st.text(alphabet="abc 12.,$%:-'\u2019/", max_size=60))
def test_no_letter_or_digit_is_left_out(text: str) -> None:
    covered = {i for unit in spoken_units(text) for i in range(unit.char_start, unit.char_end)}
    assert all(i in covered for i, char in enumerate(text) if char.isalnum())
