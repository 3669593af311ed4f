"""What letters alone tell of a language."""

import pytest

from speech_service.text.script import guess_by_script, letter_count, scripts


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("はい", "ja"), ("駅は", "ja"), ("日本", "zh"), ("네", "ko"), ("Да", "ru"), ("їжак", "uk"), ("ћао", "sr"),
        ("ѓон", "mk"), ("ў", "be"), ("شكرا", "ar"), ("پنیر", "fa"), ("ٹھیک", "ur"), ("नमस्ते", "hi"), ("Γεια", "el"),
        ("שלום", "he"), ("สวัสดี", "th"), ("გამარჯობა", "ka"), ("բարև", "hy"), ("வணக்கம்", "ta"), ("ሰላም", "am"),
    ],
)  # fmt: skip
def test_scripts_that_tell(text: str, code: str) -> None:
    guesses = guess_by_script(text)
    assert guesses[0].code == code
    assert sum(guess.probability or 0 for guess in guesses) <= 1


@pytest.mark.parametrize("text", ["", "hello", "123 !?", "😀", "\ud800", "æøå"])
def test_scripts_that_do_not(text: str) -> None:
    assert guess_by_script(text) == ()


def test_other_scripts_lower_the_probability() -> None:
    assert (guess_by_script("네")[0].probability or 0) > (
        guess_by_script("네네 ok")[0].probability or 0
    )
    assert guess_by_script("네 that is Korean") == ()


def test_letters_are_counted() -> None:
    assert scripts("Hello мир 世界!") == {"Latn": 5, "Cyrl": 3, "Hani": 2}
    assert letter_count("a1 世!") == 2
