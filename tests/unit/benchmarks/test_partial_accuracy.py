"""Partials are held against the words that had ended by then."""

from benchmarks.client import FINAL, PARTIAL, Seen, Session, Settings
from benchmarks.corpus import Clip
from benchmarks.partial_accuracy import partial_errors

CLIP = Clip(
    name="c",
    group="g",
    text="one two three four",
    pcm=b"",
    words=[("one", 0.1, 0.4), ("two", 0.5, 0.9), ("three", 1.0, 1.5), ("four", 1.6, 2.0)],
)


def seen(kind: int, text: str, end_ms: int, segment: int = 1) -> Seen:
    return Seen(0.0, segment, kind, text, 0, 0, end_ms, 0)


def errors(*results: Seen) -> tuple[int, int]:
    session = Session("c", 2.0, Settings(), results=list(results))
    total = partial_errors(CLIP, session)
    return total.errors, total.words


def test_words_that_are_still_spoken_do_not_count() -> None:
    assert errors(seen(PARTIAL, "One, two, thr.", 1100)) == (0, 2)
    assert errors(seen(PARTIAL, "One two", 1100)) == (0, 2)
    assert errors(seen(PARTIAL, "One too", 1100)) == (1, 2)
    assert errors(seen(PARTIAL, "One two a b c", 1100)) == (1, 2), (
        "two words may be open, not three"
    )


def test_finals_before_a_partial_are_part_of_what_was_heard() -> None:
    final = seen(FINAL, "One two.", 1000, segment=1)
    assert errors(final, seen(PARTIAL, "Three", 1550, segment=2)) == (0, 3)
    assert errors(final, seen(PARTIAL, "One", 450, segment=1)) == (0, 1), "its own final came later"


def test_all_partials_count() -> None:
    first, second = seen(PARTIAL, "Wrong", 450), seen(PARTIAL, "One two", 950)
    assert errors(first, second) == (1, 3)
    assert errors() == (0, 0)
