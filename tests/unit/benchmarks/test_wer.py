"""The normaliser and the word error rate."""

import pytest

from benchmarks.wer import WordErrors, align, corpus_errors, normalise, word_errors


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("It's 5 o\u2019clock \u2014 don't\tgo.", ["it's", "5", "o'clock", "don't", "go"]),
        ("a well-known, twenty\u2013one", ["a", "well", "known", "twenty", "one"]),
        ("'quoted' words and the dogs' tails", ["quoted", "words", "and", "the", "dogs", "tails"]),
        (
            'snake_case (and) "marks"; \u201cboth\u201d\u2026',
            ["snake", "case", "and", "marks", "both"],
        ),
        (
            "\uff26\uff35\uff2c\uff2c width Stra\u00dfe caf\u00e9",
            ["full", "width", "stra\u00dfe", "caf\u00e9"],
        ),
        (" ' - ... ", []),
    ],
)
def test_normalise(text: str, words: list[str]) -> None:
    assert normalise(text) == words


def test_normalise_is_idempotent() -> None:
    once = normalise("Mister Hale's \u201cwell-known\u201d don\u2019t \u00b4x\u00b4")
    assert normalise(" ".join(once)) == once


def test_the_same_apostrophe_on_either_side_is_no_error() -> None:
    assert word_errors("don't", "DON\u2019T").errors == 0


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("a b c", "a b c", WordErrors(3, 0, 0, 0)),
        ("a b c", "a x c", WordErrors(3, 1, 0, 0)),
        ("a b c", "a c", WordErrors(3, 0, 1, 0)),
        ("a b c", "a b b c", WordErrors(3, 0, 0, 1)),
        ("a b c d", "x b d y", WordErrors(4, 3, 0, 0)),  # as cheap as one of each
        ("a b c d e", "b c d e f", WordErrors(5, 0, 1, 1)),
        ("a b", "", WordErrors(2, 0, 2, 0)),
        ("", "a b", WordErrors(0, 0, 0, 2)),
        ("", "", WordErrors(0, 0, 0, 0)),
    ],
)
def test_edits(reference: str, hypothesis: str, expected: WordErrors) -> None:
    assert align(reference.split(), hypothesis.split()) == expected


def test_rate_may_pass_one_and_an_empty_reference_is_all_or_nothing() -> None:
    assert word_errors("a", "b c d").rate == 3.0
    assert word_errors("", "anything").rate == 1.0
    assert word_errors("...", "").rate == 0.0


def test_a_corpus_weighs_words_not_texts() -> None:
    total = corpus_errors([("a", "b"), ("a b c d e f g h i", "a b c d e f g h i")])
    assert total == WordErrors(10, 1, 0, 0)
    assert total.rate == 0.1
