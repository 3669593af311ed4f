"""Word timings that an aligner finds in the speech of a session."""

from dataclasses import replace

import pytest

from speech_service.domain.alignment import (
    AlignedUnit,
    Alignment,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.domain.errors import InternalError
from speech_service.domain.work import AlignWork
from speech_service.sessions.in_order import MAX_HELD_S
from speech_service.sessions.synthesis.word_times import MAX_WAITING
from tests.unit.sessions.speech_drive import OPTIONS, SpeechDrive

ALIGNED = replace(OPTIONS, word_timings=True, aligner="hears")
TWO = "One two. Three four. "


def found(work: AlignWork) -> Alignment:
    """The first word of the text, from 10 to 20 ms."""
    word = work.text.split()[0]
    return Alignment((AlignedUnit(word, Granularity.WORD, 0, len(word), 10, 20),))


def speak(drive: SpeechDrive, ms: int = 100) -> AlignWork:
    """One piece in two chunks; returns what the aligner is asked."""
    work = drive.waiting[0]
    drive.audio(work, ms - 40).audio(work, 40).done(work)
    return list(drive.aligning.values())[-1]


def test_each_piece_goes_to_the_aligner_with_all_of_its_audio_at_16_khz() -> None:
    drive = SpeechDrive(ALIGNED).text(TWO).flush()
    first, second = speak(drive, 100), speak(drive, 200)
    assert [w.text for w in (first, second)] == ["One two. ", "Three four. "]
    assert [len(w.samples) for w in (first, second)] == [1_600, 3_200]
    assert {(w.model, w.language, w.stream_id) for w in (first, second)} == {("hears", "en", "s")}
    assert first.segment != second.segment


def test_words_are_placed_in_the_audio_and_the_text_of_the_context() -> None:
    drive = SpeechDrive(ALIGNED).text(TWO).flush()
    for work in (speak(drive, 100), speak(drive, 200)):
        drive.aligned(work, found(work))
    units = [unit for event in drive.timings() for unit in event.units]
    assert [(u.text, u.char_start, u.char_end, u.start_ms, u.end_ms) for u in units] == [
        ("One", 0, 3, 10, 20),
        ("Three", 9, 14, 110, 120),
    ]


def test_last_words_are_the_timings_that_wait_for_those_before_them() -> None:
    drive = SpeechDrive(ALIGNED).text("One two. " * 3).flush()
    works = [speak(drive) for _ in range(3)]
    drive.aligned(works[1], found(works[1]))
    assert not drive.timings()
    drive.perform(drive.session.last_words())
    assert [event.units[0].start_ms for event in drive.timings()] == [110]


def test_timings_leave_in_the_order_of_the_text_whatever_is_answered_first() -> None:
    drive = SpeechDrive(ALIGNED).text("One two. " * 4).flush()
    works = [speak(drive) for _ in range(4)]
    drive.aligned(works[2], found(works[2])).aligned(works[1], InternalError("x"))
    assert drive.timings() == []
    assert drive.warnings() == []
    drive.aligned(works[3], found(works[3])).aligned(works[0], found(works[0]))
    kinds = [k for k in drive.kinds() if k in ("SpeechTimings", "StreamWarning")]
    assert kinds == ["SpeechTimings", "StreamWarning", "SpeechTimings", "SpeechTimings"]
    starts = [unit.start_ms for event in drive.timings() for unit in event.units]
    assert starts == [10, 210, 310]
    drive.end().read()
    assert drive.outcomes() == [("a", "done")]


def test_one_context_does_not_wait_for_another() -> None:
    drive = SpeechDrive(ALIGNED).text("One two. ", "a").flush("a", "f1")
    drive.text("One two. ", "b").flush("b", "f2")
    first, second = speak(drive), speak(drive)
    drive.aligned(second, found(second)).read()
    assert [event.owner.context_id for event in drive.timings()] == ["b"]
    assert drive.outcomes() == [("b", "done")]
    drive.aligned(first, found(first)).end().read()
    assert drive.outcomes() == [("b", "done"), ("a", "done")]


def test_a_late_answer_gives_way_to_its_warning() -> None:
    drive = SpeechDrive(ALIGNED).text("One two. " * 2).flush()
    first, second = speak(drive), speak(drive)
    drive.aligned(second, found(second))
    drive.perform(drive.session.tick())
    assert drive.timings() == []
    drive.now_s += MAX_HELD_S
    drive.perform(drive.session.tick())
    assert drive.cancelled == [first.work_id]
    assert drive.warnings() == ["WORD_TIMINGS_UNAVAILABLE"]
    assert len(drive.timings()) == 1
    drive.end().read()
    assert drive.outcomes() == [("a", "done")]


def test_the_context_ends_after_the_last_answer() -> None:
    drive = SpeechDrive(ALIGNED).text("One two. ").flush()
    work = speak(drive)
    assert drive.outcomes() == []
    drive.aligned(work, found(work)).end().read()
    assert drive.outcomes() == [("a", "done")]
    assert drive.finished == [None]
    assert drive.kinds().index("SpeechTimings") < drive.kinds().index("ContextEnded")


def test_an_aligner_that_fails_leaves_the_speech_and_a_warning() -> None:
    drive = SpeechDrive(ALIGNED).text("One two. ").flush()
    drive.aligned(speak(drive), InternalError("x")).end().read()
    assert drive.warnings() == ["WORD_TIMINGS_UNAVAILABLE"]
    assert (drive.outcomes(), drive.spoken_ms()) == ([("a", "done")], 100)


@pytest.mark.parametrize(
    ("reason", "warnings"),
    [
        (UnalignedReason.TEXT_NOT_SPOKEN, ["WORD_TIMINGS_INCOMPLETE"]),
        (UnalignedReason.NOT_SPEAKABLE, []),
    ],
)
def test_words_that_were_not_found_are_told_of(
    reason: UnalignedReason, warnings: list[str]
) -> None:
    drive = SpeechDrive(ALIGNED).text("One two. ").flush()
    work = speak(drive)
    drive.aligned(work, replace(found(work), unaligned=(UnalignedSpan(4, 7, 20, 20, reason),)))
    assert drive.warnings() == warnings
    assert len(drive.timings()) == 1


def test_a_cancelled_context_gives_up_what_is_with_the_aligner() -> None:
    drive = SpeechDrive(ALIGNED).text("One two. ").flush()
    work = speak(drive)
    drive.cancel()
    assert drive.cancelled == [work.work_id]
    assert drive.outcomes() == [("a", "cancelled")]
    drive.read().end().read()
    assert drive.finished == [None]


def test_a_session_that_fails_gives_it_up_too() -> None:
    drive = SpeechDrive(ALIGNED).text("One two. ").flush()
    work = speak(drive)
    drive.perform(drive.session.fail(InternalError("x")))
    assert drive.cancelled == [work.work_id]


def test_an_aligner_that_is_behind_holds_up_new_speech() -> None:
    drive = SpeechDrive(ALIGNED).text("One two. " * (MAX_WAITING + 2)).flush()
    drive.speak_all()
    assert len(drive.aligning) == MAX_WAITING + 1, "the last was on the device already"
    asked: list[int] = []
    for work in list(drive.aligning.values())[:2]:
        drive.aligned(work, found(work))
        asked.append(len(drive.submitted))
    assert asked == [MAX_WAITING + 1, MAX_WAITING + 2]


def test_a_model_that_says_its_words_needs_no_aligner() -> None:
    drive = SpeechDrive(replace(OPTIONS, word_timings=True)).text("One two. ").flush()
    drive.speak_all()
    assert not drive.aligning
