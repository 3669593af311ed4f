"""Strings of digits: their parts, their cuts, and what they may be made of."""

import numpy as np
import pytest

from benchmarks.digits.corpus import Samples, Split, Spoken, Utterance, split
from benchmarks.digits.mixing import DigitString, Mixer, Variation, cut, first_digits, joined, paced
from benchmarks.digits.testsets import silences, strings_of

RATE = 16_000


def utterance(digit: int, speaker: str = "ann", take: int = 0, seconds: float = 0.4) -> Utterance:
    samples = np.full(int(seconds * RATE), (digit + 1) / 20, np.float32)
    return Utterance(speaker, take, samples, (Spoken(digit, 0, len(samples)),))


def loudness(samples: Samples, spoken: Spoken) -> float:
    return float(np.abs(samples[spoken.start : spoken.end]).min())


def test_no_recording_of_the_unseen_speaker_and_no_late_take_is_trained_on() -> None:
    recordings = [utterance(0, who, take) for who in ("ann", "yweweler") for take in range(5, 50)]
    parts = split(recordings)
    assert {(each.speaker, each.take) for each in parts.training} == {
        ("ann", take) for take in range(5, 40)
    }
    assert {each.take for each in parts.unseen_takes} == set(range(40, 50))
    assert {each.speaker for each in parts.unseen_takes} == {"ann"}
    assert len(parts.unseen_speaker) == 45
    assert {each.speaker for each in parts.unseen_speaker} == {"yweweler"}


def test_digits_of_a_string_are_where_it_says() -> None:
    rng = np.random.default_rng(1)
    string = joined([utterance(digit) for digit in (3, 0, 9)], rng, Variation())
    assert string.text == "three zero nine"
    inside = np.zeros(len(string.samples), bool)
    for spoken in string.digits:
        assert loudness(string.samples, spoken) > 0.02
        inside[spoken.start : spoken.end] = True
    assert not string.samples[~inside].any()
    gaps_s = [
        (right.start - left.end) / RATE
        for left, right in zip(string.digits[:-1], string.digits[1:], strict=True)
    ]
    assert all(0.05 <= gap <= 0.5 for gap in gaps_s)


def test_pace_moves_digits_along() -> None:
    slow = paced(utterance(5, seconds=1.0), 0.8)
    assert len(slow.samples) == 20_000
    assert slow.digits == (Spoken(5, 0, 20_000),)


def test_first_digits_end_an_utterance_behind_them() -> None:
    whole = Utterance("v", 0, np.zeros(300, np.float32), (Spoken(1, 5, 100), Spoken(2, 110, 290)))
    part = first_digits(whole, 1)
    assert (len(part.samples), part.digits) == (100, (Spoken(1, 5, 100),))


def test_a_cut_string_names_a_digit_only_where_most_of_it_was_heard() -> None:
    digits = tuple(Spoken(n, 8000 * n + 2000, 8000 * n + 8000) for n in range(4))
    whole = DigitString(np.zeros(40_000, np.float32), digits)
    lengths = set[int]()
    for seed in range(200):
        part = cut(whole, np.random.default_rng(seed))
        end = len(part.samples)
        heard = [max(0, min(end, each.end) - each.start) / 6000 for each in digits]
        assert [each.digit for each in part.digits] == [n for n, s in enumerate(heard) if s >= 0.75]
        assert all(share < 0.25 or share >= 0.75 for share in heard)
        lengths.add(len(part.digits))
    assert lengths == {0, 1, 2, 3, 4}


def test_the_same_seed_makes_the_same_strings() -> None:
    voices = [utterance(digit, who) for digit in range(10) for who in ("ann", "bob")]
    first, second = Mixer(voices, 7), Mixer(voices, 7)
    for _ in range(20):
        left, right = first.string(10), second.string(10)
        assert left.digits == right.digits
        assert np.array_equal(left.samples, right.samples)


def test_strings_are_as_long_as_asked_and_never_clip() -> None:
    mixer = Mixer([utterance(digit) for digit in range(10)], 3, Variation(long=0.0, silent=0.2))
    strings = [mixer.string(4) for _ in range(120)]
    assert {len(string.digits) for string in strings} == {0, 1, 2, 3, 4}
    assert all(np.abs(string.samples).max() <= 1.0 for string in strings)
    assert all(string.samples.dtype == np.float32 for string in strings)


@pytest.mark.parametrize("passes", [1, 3])
def test_every_test_recording_is_said_equally_often(passes: int) -> None:
    recordings = [
        utterance(digit, who, take)
        for who in ("ann", "bob")
        for digit in range(10)
        for take in (40, 41)
    ]
    strings = strings_of(recordings, seed=5, passes=passes)
    said = [spoken.digit for string in strings for spoken in string.digits]
    assert sorted(said) == sorted(list(range(10)) * 4 * passes)
    assert all(1 <= len(string.digits) <= 10 for string in strings)


def test_silences_begin_with_digital_zero_and_say_nothing() -> None:
    made = silences(5, seed=1)
    assert not made[0].samples.any()
    assert all(string.samples.any() for string in made[1:])
    assert {string.text for string in made} == {""}


def test_a_split_of_nothing_is_empty() -> None:
    assert split([]) == Split((), (), ())
