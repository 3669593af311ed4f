"""Long audio in pieces: every word is read where it is spoken, whatever the pieces, and nothing else is."""

from collections.abc import Callable

import numpy as np
import pytest

from speech_service.domain.audio import SAMPLES_PER_MS, Samples
from speech_service.engines.qwen3.aligner.pieces import (
    AlignerPiece,
    Pieces,
    TimedWord,
    in_pieces,
)

PIECE_MS = 60_000
Schedule = list[tuple[int, int]]


def speech(schedule: Schedule, length_ms: int) -> Samples:
    """Loud where a word is, silent elsewhere; the number of each millisecond is hidden in its first sample."""
    samples = np.zeros((length_ms, SAMPLES_PER_MS), np.float32)
    for start_ms, end_ms in schedule:
        samples[start_ms:end_ms, 1:] = 0.5
    samples[:, 0] = np.arange(length_ms) * 1e-9
    return samples.reshape(-1)


def regular(count: int, pace_ms: int, word_ms: int, from_ms: int = 0) -> Schedule:
    return [(from_ms + at * pace_ms, from_ms + at * pace_ms + word_ms) for at in range(count)]


def drive(
    pieces: Pieces, answer: Callable[[AlignerPiece], list[int]]
) -> tuple[list[TimedWord], list[AlignerPiece]]:
    """Answer every reading; the words' times in the end, and what was read."""
    readings: list[AlignerPiece] = []
    times: list[int] | None = None
    while len(readings) < 1_000:
        try:
            reading = next(pieces) if times is None else pieces.send(times)
        except StopIteration as done:
            return done.value, readings
        readings.append(reading)
        times = answer(reading)
    raise AssertionError("it never ends")


def play(
    samples: Samples, schedule: Schedule, piece_ms: int = PIECE_MS
) -> tuple[list[TimedWord], list[AlignerPiece]]:
    """A perfect model: words in the piece get their times, words behind it the end, words before it the start."""

    def answer(reading: AlignerPiece) -> list[int]:
        offset_ms = round(float(reading.samples[0]) * 1e9)
        length_ms = len(reading.samples) // SAMPLES_PER_MS
        true = [schedule[int(word[1:])] for word in reading.words]
        return [min(max(0, time - offset_ms), length_ms) for word in true for time in word]

    words = [f"w{at:04}" for at in range(len(schedule))]
    return drive(in_pieces(samples, words, piece_ms), answer)


def test_short_audio_is_one_reading_of_everything() -> None:
    schedule = regular(20, 500, 400)
    timed, readings = play(speech(schedule, 10_000), schedule)
    assert len(readings) == 1
    assert [(t.start_ms, t.end_ms) for t in timed] == schedule
    assert not any(time.moved for time in timed)


@pytest.mark.parametrize(
    "schedule",
    [
        regular(900, 400, 300),
        regular(1_200, 300, 290),
        regular(60, 5_000, 400),
        regular(100, 400, 300) + regular(500, 400, 300, 160_000),
        regular(600, 250, 200, 200_000),
        regular(500, 200, 180) + regular(20, 10_000, 500, 110_000),
    ],
    ids=["even", "dense", "sparse", "with a long pause", "late", "fast, then slow"],
)
@pytest.mark.parametrize("piece_ms", [30_000, 60_000, 180_000])
def test_words_of_long_audio_have_their_times(schedule: Schedule, piece_ms: int) -> None:
    length_ms = schedule[-1][1] + 3_000
    timed, readings = play(speech(schedule, length_ms), schedule, piece_ms)
    assert [time.word for time in timed] == list(range(len(schedule)))
    assert [(t.start_ms, t.end_ms) for t in timed] == schedule
    assert max(len(reading.samples) for reading in readings) <= piece_ms * SAMPLES_PER_MS


def test_little_is_read_twice() -> None:
    schedule = regular(3_000, 400, 300)
    samples = speech(schedule, 1_200_000)
    _, readings = play(samples, schedule, 180_000)
    assert sum(len(reading.samples) for reading in readings) <= 1.2 * len(samples)


def test_pieces_meet_in_pauses() -> None:
    schedule = regular(900, 400, 300)
    _, readings = play(speech(schedule, 361_000), schedule)
    assert len(readings) > 3
    for reading in readings[1:]:
        start_ms = round(float(reading.samples[0]) * 1e9)
        assert not any(begin <= start_ms < end for begin, end in schedule)
    for reading in readings[:-1]:
        assert np.abs(reading.samples[-40 * SAMPLES_PER_MS :]).max() < 0.1


def test_words_that_nobody_could_have_spoken_are_not_read() -> None:
    pieces = in_pieces(np.zeros(2 * 16_000, np.float32), ["word"] * 5_000, PIECE_MS)
    timed, readings = drive(pieces, lambda reading: [0] * 2 * len(reading.words))
    assert len(readings) == 1
    assert len(timed) == len(readings[0].words) < 600


def test_no_words_and_no_audio_are_not_read() -> None:
    for samples, words in ((np.zeros(16_000, np.float32), []), (np.zeros(0, np.float32), ["a"])):
        assert drive(in_pieces(samples, words, PIECE_MS), lambda _: []) == ([], [])


@pytest.mark.parametrize("answer_ms", [0, 30_000, 59_000, 400_000])
def test_a_model_that_is_lost_still_comes_to_an_end(answer_ms: int) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 16_000 * 400).astype(np.float32)
    pieces = in_pieces(samples, ["word"] * 700, PIECE_MS)
    timed, readings = drive(pieces, lambda reading: [answer_ms] * 2 * len(reading.words))
    assert len(readings) < 420
    assert [time.word for time in timed] == list(range(len(timed)))
