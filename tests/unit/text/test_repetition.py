"""Repetition repair: loops go, ordinary text stays byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.text.repetition import collapse_repetitions

words = st.lists(st.sampled_from(["the", "a", "no", "it", "was", "epoch,"]), max_size=40)


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("", ""),
        ("the the the the the the", "the"),
        ("and the the the the the the end.", "and the end."),
        ("It was. It was. It was. It was. It was. It was the end.", "It was the end."),
        ("Ha ha, ha HA ha ha!", "ha!"),
        ("so " + "you know what I mean " * 6 + "yes", "so you know what I mean yes"),
        ("a a a a a b b b b b c", "a b c"),
        ("... ... ... ... ... ... go", "... go"),
    ],
)
def test_loops_are_collapsed_to_their_last_occurrence(text: str, repaired: str) -> None:
    assert collapse_repetitions(text) == repaired


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no, no.",
        "It was the best of times, it was the worst of times.",
        "  spaces   stay \n as they are ",
        "very very very very good",
        "1 1 2 1 1 2 1 1 2",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert collapse_repetitions(text) == text


@given(words=words)
def test_repair_only_removes_words_and_repairs_once(words: list[str]) -> None:
    text = " ".join(words)
    repaired = collapse_repetitions(text)
    rest = iter(words)
    assert all(word in rest for word in repaired.split()), "words keep their order"
    if len(words) <= 4:
        assert repaired == text


@given(text=st.text(max_size=80))
def test_any_text_is_survived_and_never_grows(text: str) -> None:
    assert len(collapse_repetitions(text)) <= len(text)


@given(head=words, phrase=st.lists(st.sampled_from("xyz"), min_size=1, max_size=4))
def test_a_run_leaves_one_occurrence(head: list[str], phrase: list[str]) -> None:
    run = phrase * 9
    repaired = collapse_repetitions(" ".join([*head, *run])).split()
    assert 1 <= sum(word in "xyz" for word in repaired) <= len(phrase) + 4
