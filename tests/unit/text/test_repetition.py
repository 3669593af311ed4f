"""Repetition repair: what nobody could say in the audio goes, what people repeat stays byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.text.repetition import MAX_TIMES, collapse_repetitions

words = st.lists(st.sampled_from(["the", "a", "no", "it", "was", "epoch,"]), max_size=40)

SAID = [
    ("zero zero zero zero zero zero", 4_700),
    ("one zero zero zero zero zero zero", 4_000),
    ("Very very very very very very good.", 3_000),
    ("Nine, nine, nine, nine, nine, nine, nine, nine, nine, nine.", 5_500),
    ("three " * 12, 6_000),
    ("No, no, no, no, no, no, no!", 2_000),
    ("Ha ha, ha HA ha ha!", 1_200),
    ("yes yes yes yes yes yes yes yes", 3_200),
    ("one two three " * 6, 7_200),
    ("One two three four five six " * 4 + "and then we stopped for lunch.", 11_000),
    ("9, 9, 9, 9, 9, 9.", 4_700),
    ("9999999", 4_400),
    ("It was. It was. It was. It was. It was. It was the end.", 4_000),
    ("零零零零零零", 3_000),
    ("はい はい はい はい はい はい", 3_000),
    ("ใช่ใช่ใช่ใช่ใช่ใช่", 3_000),
    ("never " * 24, 12_000),
]
"""What was said, and in how many milliseconds."""


@pytest.mark.parametrize(("text", "audio_ms"), SAID)
def test_what_the_audio_has_time_for_is_left_alone(text: str, audio_ms: int) -> None:
    assert collapse_repetitions(text, audio_ms) == text
    assert collapse_repetitions(text, 10 * audio_ms) == text


@pytest.mark.parametrize(
    ("text", "audio_ms", "repaired"),
    [
        ("", 0, ""),
        ("the the the the the the the the the", 1_000, "the"),
        ("and the the the the the the the the the end.", 1_000, "and the end."),
        ("It was. " * 9 + "It was the end.", 2_000, "It was the end."),
        ("so " + "you know what I mean " * 6 + "yes", 3_000, "so you know what I mean yes"),
        ("a a a a a b b b b b c", 500, "a b c"),
        ("zero " * 60 + "one", 4_000, "zero one"),
        ("9" * 53, 4_000, "9"),
        ("你好" * 30, 4_000, "你好"),
        ("ありがとう" * 30, 5_000, "ありがとう"),
        ("ขอบคุณ" * 40, 5_000, "ขอบคุณ"),
        ("hahaha" * 30, 2_000, "ha"),
        ("the the the " * 30, 20_000, "the"),
        ("well \ufffd" + "\ufffd" * 40, 60_000, "well \ufffd"),
    ],
)
def test_loops_are_collapsed_to_their_last_occurrence(
    text: str, audio_ms: int, repaired: str
) -> None:
    assert collapse_repetitions(text, audio_ms).strip() == repaired


def test_what_was_said_beside_a_loop_keeps_its_repetitions() -> None:
    said = "no no no no no no and then "
    assert collapse_repetitions(said + "so " * 100 + "end", 6_000) == said + "so end"


def test_without_a_length_the_limit_of_the_official_package_holds() -> None:
    at_limit = " ".join(["zero"] * MAX_TIMES)
    assert collapse_repetitions(at_limit) == at_limit
    assert collapse_repetitions(f"{at_limit} zero") == "zero"
    assert collapse_repetitions("哈" * MAX_TIMES) == "哈" * MAX_TIMES
    assert collapse_repetitions("哈" * (MAX_TIMES + 1)) == "哈"


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("and so it is it is it is it is it is it", "and so it is it"),
        ("three three three three three three", "three"),
        (
            "three three three three three three and four",
            "three three three three three three and four",
        ),
        ("no no no", "no no no"),
    ],
)
def test_a_run_that_a_cut_off_text_ends_in_is_a_loop(text: str, repaired: str) -> None:
    assert collapse_repetitions(text, 60_000, is_cut_off=True) == repaired


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no, no.",
        "It was the best of times, it was the worst of times.",
        "  spaces   stay \n as they are ",
        "1 1 2 1 1 2 1 1 2",
        "... ... ... ... ... ... go",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert collapse_repetitions(text) == text
    assert collapse_repetitions(text, 2_500) == text


@given(words=words, audio_ms=st.integers(0, 60_000))
def test_repair_only_removes_words(words: list[str], audio_ms: int) -> None:
    text = " ".join(words)
    repaired = collapse_repetitions(text, audio_ms)
    rest = iter(words)
    assert all(word in rest for word in repaired.split()), "words keep their order"
    if len(words) < 5:
        assert repaired == text


@given(text=st.text(max_size=80), audio_ms=st.none() | st.integers(0, 10_000), cut=st.booleans())
def test_any_text_is_survived_and_never_grows(
    text: str, audio_ms: int | None, *, cut: bool
) -> None:
    assert len(collapse_repetitions(text, audio_ms, is_cut_off=cut)) <= len(text)


@given(head=words, phrase=st.lists(st.sampled_from("xyz"), min_size=1, max_size=4))
def test_a_run_leaves_one_occurrence(head: list[str], phrase: list[str]) -> None:
    run = phrase * 30
    repaired = collapse_repetitions(" ".join([*head, *run]), 1_000).split()
    assert 1 <= sum(word in "xyz" for word in repaired) <= len(phrase) + 4
