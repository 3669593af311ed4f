"""What the alignment benchmark computes from truth and answers; its texts."""

import pytest

from benchmarks.alignment import Pass, Score, Utterance, exact, first_letter, score
from benchmarks.alignment_texts import TEXTS
from benchmarks.corpus import Clip
from speech.v1 import alignment_service_pb2 as pb


def unit(char_start: int, start_ms: int) -> pb.AlignedUnit:
    return pb.AlignedUnit(char_start=char_start, char_end=char_start + 3, start_ms=start_ms)


def test_errors_are_those_of_words_at_the_same_place() -> None:
    utterance = Utterance("u", "one two one", b"", {0: 100.0, 4: 500.0, 8: 900.0})
    found = score(utterance, [unit(0, 90), unit(8, 925)])
    assert found == Score("u", 3, (-10.0, 25.0))
    assert found.missing == 1


def test_words_begin_behind_their_quotation_marks() -> None:
    text = "a \u201cnever\u201d $9"
    assert [first_letter(text, at) for at in (0, 2, 10)] == [0, 3, 10]


def test_a_pass_counts_words_that_are_missing() -> None:
    result = Pass([Score("a", 3, (-10.0, 25.0)), Score("b", 1, (5.0,))], cpu_s=1.0, audio_s=4.0)
    assert result.placed_percent == pytest.approx(75.0)
    assert result.errors_ms == [10.0, 25.0, 5.0]


def test_exact_times_belong_to_the_words_of_the_text() -> None:
    clip = Clip("c", "digits", "six  two", b"", [("six", 0.5, 0.9), ("two", 1.25, 1.5)], "exact")
    assert exact(clip).starts_ms == {0: 500.0, 5: 1250.0}
    with pytest.raises(ValueError, match="shorter"):
        exact(Clip("c", "digits", "six two two", b"", [("six", 0.5, 0.9)], "exact"))


def test_there_are_sixty_different_texts_of_many_lengths() -> None:
    assert len(set(TEXTS)) == 60
    lengths = sorted(len(text.split()) for text in TEXTS)
    assert lengths[0] == 2
    assert lengths[-1] >= 35
