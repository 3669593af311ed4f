"""What cannot be spoken goes, words stay whole, and text that says nothing is refused by name."""

# ruff: noqa: RUF001 - letters of many scripts are what is tested

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.errors import InvalidOptionError
from speech_service.text.clean import check_speakable, clean, is_speakable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\x00b\x07c", "a b c"),
        ("a\ud800b", "a b"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("hy\u00adphen zero\u200bwidth \ufeffbom \u202eright", "hyphen zerowidth bom right"),
        ("cafe\u0301", "caf\u00e9"),
        ("hi 😀👍🏽 you", "hi    you"),
        ("👨\u200d👩\u200d👧", "   "),
        ("20° © №", "20° © №"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\ue000private", " private"),
    ],
)
def test_clean(text: str, expected: str) -> None:
    assert clean(text) == expected


@given(st.text(alphabet=st.characters()))
def test_clean_again_changes_nothing_and_can_be_encoded(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    cleaned.encode()


@pytest.mark.parametrize("text", ["a", "5", "你", "é"])
def test_speakable(text: str) -> None:
    check_speakable(text)
    assert is_speakable(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (" \n\t ", "white space"),
        ("😀🎉", "pictographs"),
        ("\ud800\x00", "control characters"),
        ("?!… — *", "punctuation"),
    ],
)
def test_nothing_to_speak(text: str, problem: str) -> None:
    with pytest.raises(InvalidOptionError, match=problem) as refused:
        check_speakable(text)
    assert refused.value.option == "text"
    assert refused.value.reason == "NOTHING_TO_SPEAK"
