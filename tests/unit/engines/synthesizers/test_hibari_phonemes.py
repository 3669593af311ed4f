"""Pronunciations of a lexicon reach the model's alphabet, and what it lacks is refused by name."""

import pytest

from speech_service.domain.errors import InvalidOptionError
from speech_service.engines.hibari.phonemes import SYMBOLS, from_arpabet, from_ipa

# ruff: noqa: RUF001 - phonetic letters are what is tested


@pytest.mark.parametrize(
    ("ipa", "expected"),
    [
        ("dʒɪf", "ʤɪf"),
        ("/ˈɡoʊθə/", "ɡˈOθə"),
        ("təˈmɑːtoʊ", "təmˈɑtO"),
        ("t͡ʃaɪ", "ʧI"),
        ("ˈstɹɔɪ", "stɹˈY"),
        ("bɝd", "bɜɹd"),
        ("nɜːs", "nɜɹs"),
        ("ˌɪntəˈnæʃənəl", "ˌɪntənˈæʃənəl"),
        ("həlˈO", "həlˈO"),
        ("red", "ɹɛd"),
        ("foʊ.niːm", "fOnim"),
    ],
)
def test_ipa(ipa: str, expected: str) -> None:
    assert from_ipa(ipa, "f") == expected


@pytest.mark.parametrize(
    ("phones", "expected"),
    [
        ("HH AH0 L OW1", "həlˈO"),
        ("t ah m ey1 t ow2", "tʌmˈAtˌO"),
        ("B ER1 D ER0", "bˈɜɹdəɹ"),
        ("JH IH F", "ʤɪf"),
    ],
)
def test_arpabet(phones: str, expected: str) -> None:
    assert from_arpabet(phones, "f") == expected
    assert set(from_arpabet(phones, "f")) <= SYMBOLS


@pytest.mark.parametrize(
    ("ipa", "problem"),
    [
        ("ʁɛ", "LATIN LETTER SMALL CAPITAL INVERTED R"),
        ("lyn", r"'y' \(LATIN SMALL LETTER Y\)"),
        ("mɔ̃", "COMBINING TILDE"),
        ("a5", "DIGIT FIVE"),
        ("", "holds no sound"),
        ("ˈ", "holds no sound"),
    ],
)
def test_ipa_that_the_model_lacks(ipa: str, problem: str) -> None:
    with pytest.raises(InvalidOptionError, match=problem) as refused:
        from_ipa(ipa, "lexicon[2].pronunciation")
    assert refused.value.option == "lexicon[2].pronunciation"


@pytest.mark.parametrize("phones", ["", "XX", "AH3", "həlO", "1"])
def test_arpabet_that_there_is_not(phones: str) -> None:
    with pytest.raises(InvalidOptionError, match="phone"):
        from_arpabet(phones, "f")
