"""From times to the alignment: units last, do not overlap and stay in the audio; the rest is named."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.alignment import Granularity, UnalignedReason
from speech_service.engines.qwen3.aligner.pieces import TimedWord
from speech_service.engines.qwen3.aligner.report import lasting, report
from speech_service.engines.qwen3.aligner.words import spaced_words

TEXT = "one two three four"


def timed(*times: tuple[int, int]) -> list[TimedWord]:
    return [
        TimedWord(at, start_ms, end_ms, moved=False) for at, (start_ms, end_ms) in enumerate(times)
    ]


def times_of(found: list[TimedWord]) -> list[tuple[int, int, int]]:
    return [(time.word, time.start_ms, time.end_ms) for time in found]


def test_times_that_last_stay_as_they_are() -> None:
    times = timed((0, 80), (80, 400), (480, 640))
    assert lasting(times, 1_000, 80) == times


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        # one instant: up to the next word, but no more than one class
        ([(0, 160), (160, 160), (800, 960)], [(0, 0, 160), (1, 160, 240), (2, 800, 960)]),
        ([(0, 160), (160, 160), (200, 960)], [(0, 0, 160), (1, 160, 200), (2, 200, 960)]),
        # several words share it
        ([(80, 80), (80, 80), (200, 300)], [(0, 80, 140), (1, 140, 200), (2, 200, 300)]),
        # half of the word that they touch
        ([(80, 80), (80, 240)], [(0, 80, 160), (1, 160, 240)]),
        # up to the end of the audio
        ([(0, 80), (960, 960)], [(0, 0, 80), (1, 960, 1_000)]),
        # no room: not spoken
        ([(80, 80)] * 30 + [(160, 320)], [(30, 160, 320)]),
        ([(0, 80), (1_000, 1_000)], [(0, 0, 80)]),
        # behind the audio
        ([(0, 80), (900, 5_000), (6_000, 7_000)], [(0, 0, 80), (1, 900, 1_000)]),
    ],
)
def test_words_shorter_than_the_resolution_get_what_is_free(
    times: list[tuple[int, int]], expected: list[tuple[int, int, int]]
) -> None:
    assert times_of(lasting(timed(*times), 1_000, 80)) == expected


@given(
    times=st.lists(st.integers(0, 40).map(lambda at: 80 * at), max_size=40),
    length_ms=st.integers(0, 3_500),
)
def test_whatever_the_times_units_last_in_order(times: list[int], length_ms: int) -> None:
    ordered = sorted(times[: len(times) // 2 * 2])
    found = lasting(timed(*zip(ordered[::2], ordered[1::2], strict=True)), length_ms, 80)
    assert all(0 <= time.start_ms < time.end_ms <= length_ms for time in found)
    for before, after in pairwise(found):
        assert before.word < after.word
        assert before.end_ms <= after.start_ms


def test_words_without_a_place_are_named_between_their_neighbours() -> None:
    times = [time for time in timed((0, 80), (0, 0), (0, 0), (400, 480)) if time.word in (0, 3)]
    alignment = report(TEXT, spaced_words(TEXT), times, 1_000, 80, Granularity.WORD)
    assert [unit.text for unit in alignment.units] == ["one", "four"]
    (span,) = alignment.unaligned
    assert TEXT[span.char_start : span.char_end] == "two three"
    assert (span.start_ms, span.end_ms) == (80, 400)
    assert span.reason is UnalignedReason.TEXT_NOT_SPOKEN


def test_a_word_that_the_repair_moved_says_so() -> None:
    times = [TimedWord(0, 0, 80, moved=True), TimedWord(1, 80, 160, moved=False)]
    alignment = report("a b", spaced_words("a b"), times, 1_000, 80, Granularity.WORD)
    assert [unit.monotonic for unit in alignment.units] == [False, True]


def test_characters_share_their_words_time() -> None:
    times = timed((0, 300), (400, 600))
    alignment = report("abc de", spaced_words("abc de"), times, 1_000, 80, Granularity.CHARACTER)
    found = [(unit.text, unit.start_ms, unit.end_ms) for unit in alignment.units]
    assert found == [
        ("a", 0, 100),
        ("b", 100, 200),
        ("c", 200, 300),
        ("d", 400, 500),
        ("e", 500, 600),
    ]


@pytest.mark.parametrize(("text", "spans"), [(" ... ", 1), ("' '", 1), ("", 0), (" \n", 0)])
def test_text_without_a_letter_is_not_speakable(text: str, spans: int) -> None:
    words = spaced_words(text)
    alignment = report(text, words, timed(*[(0, 80)] * len(words)), 1_000, 80, Granularity.WORD)
    assert not alignment.units
    assert len(alignment.unaligned) == spans
    assert all(s.reason is UnalignedReason.NOT_SPEAKABLE for s in alignment.unaligned)


def test_a_lone_apostrophe_is_no_unit() -> None:
    words = spaced_words("a ' b")
    times = timed((0, 80), (80, 160), (160, 240))
    alignment = report("a ' b", words, times, 1_000, 80, Granularity.WORD)
    assert [unit.text for unit in alignment.units] == ["a", "b"]
    assert not alignment.unaligned
