"""Word times of FINALs: which words, which warnings, and when nothing is asked for."""

import itertools
from typing import Any

import numpy as np
import pytest

from speech_service.domain.alignment import (
    AlignedUnit,
    Alignment,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.domain.errors import OverloadedError
from speech_service.domain.events import Action, Cancel, Emit, StreamWarning, Submit
from speech_service.domain.recognition import Pacing, RecognitionOptions
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.work import (
    AlignWork,
    Outcome,
    WorkClass,
    WorkDone,
    WorkFailed,
    WorkTiming,
)
from speech_service.sessions.latency import LatencyMeter
from speech_service.sessions.recognition.refinement import Refinement, words_of

OPTIONS = RecognitionOptions("m", "en", aligner="a", aligner_languages=("en",))
AUDIO = np.zeros(16_000, np.float32)


def final(text: str, language: str = "en") -> TranscriptResult:
    return TranscriptResult(
        7, 0, 4, ResultKind.FINAL, text, len(text), 5_000, 6_000, language, lag_ms=3.0
    )


def refinement(final_class: WorkClass = WorkClass.STREAM_FINAL) -> Refinement:
    ids = itertools.count(1)
    return Refinement("s", lambda: f"s:{next(ids)}", final_class, None, LatencyMeter(lambda: 0.0))


def unit(text: str, word: str, start_ms: int, end_ms: int) -> AlignedUnit:
    at = text.index(word)
    return AlignedUnit(word, Granularity.WORD, at, at + len(word), start_ms, end_ms)


def asked(actions: list[Action]) -> AlignWork:
    [action] = actions
    assert isinstance(action, Submit)
    assert isinstance(action.work, AlignWork)
    return action.work


def warned(actions: list[Action]) -> list[str]:
    events = [a.event for a in actions if isinstance(a, Emit)]
    return [e.reason for e in events if isinstance(e, StreamWarning)]


def done(work: AlignWork, outcome: Outcome) -> WorkDone:
    return WorkDone(work.work_id, outcome, WorkTiming())


def test_a_final_comes_back_with_its_words() -> None:
    text = '"Well-known," he said.'
    known = refinement()
    result = final(text)
    work = asked(known.final(result, AUDIO, OPTIONS))
    assert (work.text, work.model, work.language) == (text, "a", "en")
    assert work.work_class is WorkClass.BACKGROUND
    assert known
    assert known.pending_ms == 1_000
    units = [
        unit(text, w, n * 100, n * 100 + 90) for n, w in enumerate(("Well-known", "he", "said"))
    ]
    [action] = known.work_event(done(work, Alignment(tuple(units))))
    assert isinstance(action, Emit)
    refined = action.event
    assert isinstance(refined, TranscriptResult)
    assert (refined.kind, refined.revision, refined.text) == (ResultKind.REFINED, 5, text)
    assert refined.lag_ms is None
    assert [w.text for w in refined.words] == ['"Well-known,"', "he", "said."]
    assert [w.start_ms for w in refined.words] == [5_000, 5_100, 5_200]
    assert all(text[w.char_start : w.char_end] == w.text for w in refined.words)
    assert not known
    assert known.pending_ms == 0


def test_parts_of_one_chunk_share_its_punctuation() -> None:
    text = "yes—no (maybe)"
    units = [unit(text, w, n * 10, n * 10 + 10) for n, w in enumerate(("yes", "no", "maybe"))]
    assert [w.text for w in words_of(final(text), units)] == ["yes—", "no", "(maybe)"]


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_is_asked_for_nothing(text: str) -> None:
    assert refinement().final(final(text), AUDIO, OPTIONS) == []
    assert refinement().final(final("x"), None, OPTIONS) == []
    assert refinement().final(final("x"), AUDIO, RecognitionOptions("m")) == []


def test_another_language_is_a_warning() -> None:
    known = refinement()
    assert warned(known.final(final("olá", "pt"), AUDIO, OPTIONS)) == ["WORD_TIMES_UNAVAILABLE"]
    assert not known


def test_a_live_stream_does_not_pile_audio_up_and_a_file_waits() -> None:
    hour = np.zeros(16_000 * 400, np.float32)
    for pacing, warnings in ((Pacing.REALTIME, ["WORD_TIMES_UNAVAILABLE"]), (Pacing.FILE, [])):
        known = refinement()
        options = RecognitionOptions("m", pacing=pacing, aligner="a", aligner_languages=("en",))
        asked(known.final(final("a"), hour, options))
        assert warned(known.final(final("b"), AUDIO, options)) == warnings


@pytest.mark.parametrize(
    ("outcome", "reasons"),
    [
        (Alignment(()), ["WORD_TIMES_UNAVAILABLE"]),
        (
            Alignment(
                (AlignedUnit("a", Granularity.WORD, 0, 1, 0, 10),),
                (UnalignedSpan(2, 3, 10, 20, UnalignedReason.TEXT_NOT_SPOKEN),),
            ),
            ["WORD_TIMES_INCOMPLETE"],
        ),
        (
            Alignment(
                (AlignedUnit("a", Granularity.WORD, 0, 1, 0, 10),),
                (UnalignedSpan(3, 3, 10, 900, UnalignedReason.AUDIO_NOT_IN_TEXT),),
            ),
            [],
        ),
    ],
)
def test_what_is_missing_is_told(outcome: Any, reasons: list[str]) -> None:
    known = refinement()
    work = asked(known.final(final("a b"), AUDIO, OPTIONS))
    assert warned(known.work_event(done(work, outcome))) == reasons


def test_an_overloaded_aligner_is_a_warning() -> None:
    known = refinement(WorkClass.UNARY)
    work = asked(known.final(final("a"), AUDIO, OPTIONS))
    assert work.work_class is WorkClass.UNARY
    event = WorkFailed(work.work_id, OverloadedError("full"))
    assert known.owns(event)
    assert warned(known.work_event(event)) == ["WORD_TIMES_UNAVAILABLE"]
    assert not known.owns(event)


def test_cancelling_gives_the_work_up() -> None:
    known = refinement()
    work = asked(known.final(final("a"), AUDIO, OPTIONS))
    assert known.cancel() == [Cancel(work.work_id)]
    assert not known
