"""Word times of FINALs: which words, which warnings, and when nothing is asked for."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.alignment import (
    AlignedUnit,
    Alignment,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.domain.errors import OverloadedError
from speech_service.domain.events import Cancel, Emit, StreamWarning, Submit
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
from speech_service.sessions.in_order import MAX_HELD_S
from speech_service.sessions.latency import LatencyMeter
from speech_service.sessions.recognition.events import RecognitionAction
from speech_service.sessions.recognition.refinement import Refinement, words_of

OPTIONS = RecognitionOptions("m", "en", aligner="a", aligner_languages=("en",))
AUDIO = np.zeros(16_000, np.float32)


def final(
    text: str, language: str = "en", segment_id: int = 7, channel: int = 0
) -> TranscriptResult:
    kind = ResultKind.FINAL
    return TranscriptResult(
        segment_id, channel, 4, kind, text, len(text), 5_000, 6_000, language, lag_ms=3.0
    )


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def refinement(
    final_class: WorkClass = WorkClass.STREAM_FINAL, clock: Clock | None = None
) -> Refinement:
    ids = itertools.count(1)
    meter = LatencyMeter(lambda: 0.0)
    return Refinement("s", lambda: f"s:{next(ids)}", final_class, None, meter, clock or Clock())


def unit(text: str, word: str, start_ms: int, end_ms: int) -> AlignedUnit:
    at = text.index(word)
    return AlignedUnit(word, Granularity.WORD, at, at + len(word), start_ms, end_ms)


def asked(actions: list[RecognitionAction]) -> AlignWork:
    [action] = actions
    assert isinstance(action, Submit)
    assert isinstance(action.work, AlignWork)
    return action.work


def warned(actions: list[RecognitionAction]) -> list[str]:
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
        work = asked(known.final(final("a"), hour, options))
        known.final(final("b"), AUDIO, options)
        assert warned(known.work_event(WorkFailed(work.work_id, OverloadedError("full")))) == [
            "WORD_TIMES_UNAVAILABLE",
            *warnings,
        ]


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


# --- order ---


def told(actions: list[RecognitionAction]) -> list[tuple[int, str]]:
    """Segments with what left for them: "words", or the warning that stands for it."""
    found: list[tuple[int, str]] = []
    for event in (a.event for a in actions if isinstance(a, Emit)):
        if isinstance(event, TranscriptResult):
            found.append((event.segment_id, "words"))
        elif isinstance(event, StreamWarning):
            found.append((int(event.message.split()[1]), event.reason))
    return found


def hears(work: AlignWork) -> WorkDone:
    return done(work, Alignment((unit(work.text, work.text, 0, 10),)))


@given(st.data())
def test_refined_results_leave_in_the_order_of_their_finals(data: st.DataObject) -> None:
    """Whatever order the aligner answers in, and whatever of it fails; channels do not wait for each other."""
    known = refinement()
    finals = data.draw(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("adx")), max_size=12))
    left: list[tuple[int, str]] = []
    works: list[AlignWork] = []
    expected: dict[int, list[tuple[int, str]]] = {0: [], 1: [], 2: []}
    for segment_id, (channel, fate) in enumerate(finals):
        language = "pt" if fate == "x" else "en"
        actions = known.final(final(fate, language, segment_id, channel), AUDIO, OPTIONS)
        left += told(actions)
        works += [
            a.work for a in actions if isinstance(a, Submit) and isinstance(a.work, AlignWork)
        ]
        outcome = "words" if fate == "a" else "WORD_TIMES_UNAVAILABLE"
        expected[channel].append((segment_id, outcome))
    for work in data.draw(st.permutations(works)):
        failed = WorkFailed(work.work_id, OverloadedError("full"))
        left += told(known.work_event(hears(work) if work.text == "a" else failed))
    for channel, wanted in expected.items():
        assert [entry for entry in left if finals[entry[0]][0] == channel] == wanted
    assert not known


def test_what_is_answered_leaves_as_soon_as_all_before_it_did() -> None:
    known = refinement()
    works = [asked(known.final(final("a", segment_id=n), AUDIO, OPTIONS)) for n in (1, 2, 3)]
    assert known.work_event(hears(works[1])) == []
    assert told(known.work_event(hears(works[0]))) == [(1, "words"), (2, "words")]
    assert told(known.work_event(hears(works[2]))) == [(3, "words")]


def test_a_late_answer_gives_way_to_its_warning() -> None:
    clock = Clock()
    known = refinement(clock=clock)
    works = [asked(known.final(final("a", segment_id=n), AUDIO, OPTIONS)) for n in (1, 2, 3, 4)]
    clock.now_s = 1_000.0
    assert known.tick() == [], "nobody waits for it"
    assert known.work_event(hears(works[2])) == []
    clock.now_s += MAX_HELD_S / 2
    assert known.tick() == []
    clock.now_s += MAX_HELD_S / 2
    actions = known.tick()
    assert [a for a in actions if isinstance(a, Cancel)] == [
        Cancel(works[0].work_id),
        Cancel(works[1].work_id),
    ]
    late = "WORD_TIMES_UNAVAILABLE"
    assert told(actions) == [(1, late), (2, late), (3, "words")]
    assert not known.owns(hears(works[0])), "its answer is nobody's now"
    assert known.owns(hears(works[3])), "it holds nobody"


def test_last_words_are_the_answers_that_wait_for_those_before_them() -> None:
    refining = refinement()
    first, second = (
        asked(refining.final(final("Hi.", segment_id=n), AUDIO, OPTIONS)) for n in (1, 2)
    )
    answer = WorkDone(second.work_id, Alignment((unit("Hi.", "Hi", 0, 10),)), WorkTiming())
    assert not refining.work_event(answer)
    [told] = refining.last_words()
    assert isinstance(told, Emit)
    assert isinstance(told.event, TranscriptResult)
    assert told.event.segment_id == 2
    assert refining.cancel() == [Cancel(first.work_id)]
