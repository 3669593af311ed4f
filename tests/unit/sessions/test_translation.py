"""The translation session by hand: whatever order work ends in, the client is told everything, once, in order."""

import random

import numpy as np
import pytest

from speech_service.domain.errors import (
    InvalidOptionError,
    LimitExceededError,
)
from speech_service.domain.events import (
    ControlAck,
    Progress,
    SessionEnded,
    SpeechSamples,
    StreamWarning,
    TranslatedSegment,
)
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.translation import LanguageGuess, LostTerm, Translation
from speech_service.domain.work import (
    DropReason,
    LanguagesFound,
    RecognizeWork,
    TranslateWork,
    WorkDropped,
)
from speech_service.sessions.recognition.session import (
    MAX_OPEN_CONTROLS,
)
from speech_service.sessions.translation.session import MAX_OPEN_SEGMENTS
from tests.unit.sessions.translation_drive import DOWN, TARGETS, VOICE, Drive


def both(segment_id: int, text: str) -> list[tuple[int, str, str]]:
    return [(segment_id, target, f"{text}>{target}") for target in TARGETS]


def test_order_is_kept_whatever_ends_first() -> None:
    drive = Drive().text("One is. Two is. Three ")
    for work_id in reversed(list(drive.work)):
        assert not drive.finals() or work_id == next(iter(drive.work))
        drive.answer(work_id)
    assert drive.finals() == both(1, "One is.") + both(2, "Two is.")
    drive.do(drive.session.end_of_input())
    assert not drive.finished
    drive.answer_all()
    assert drive.finals()[4:] == both(3, "Three")
    assert isinstance(drive.events[-1], SessionEnded)
    assert drive.finished == [None]
    assert drive.events[-1].usage.characters_in == len("One is. Two is. Three ")
    latency = drive.events[-1].latency
    assert (latency.decode_ms, latency.queue_ms) == (12.0, 0.0), "its clock stands still"
    assert not drive.do(drive.session.end_of_input()).session.text("more")


def test_last_words_are_the_translations_that_wait_for_one_before_them() -> None:
    drive = Drive().text("One is. Two is. Three ")
    first, *others = list(drive.work)
    for work_id in others:
        drive.answer(work_id)
    assert not drive.finals()
    drive.do(drive.session.last_words())
    assert first in drive.work
    assert drive.finals() == [*both(1, "One is.")[1:], *both(2, "Two is.")]


def test_only_a_few_segments_are_under_way() -> None:
    drive = Drive(targets=("pt",)).text("This is it. " * 50)
    assert len(drive.work) == MAX_OPEN_SEGMENTS
    assert drive.session.undecoded_ms > 10_000
    drive.answer_all()
    assert [segment for segment, _, _ in drive.finals()] == list(range(1, 50))
    assert drive.session.undecoded_ms == 0


def test_failures_are_told_in_their_place() -> None:
    drive = Drive().text("One is. Two is. Then")
    failing, *_ = drive.work
    drive.answer(failing, DOWN).answer_all()
    kinds = [type(e).__name__ for e in drive.events]
    assert kinds == ["StreamWarning", *["TranslatedSegment"] * 3]
    warning = drive.events[0]
    assert isinstance(warning, StreamWarning)
    assert "segment 1" in warning.message
    assert "pt" in warning.message
    assert "One" not in warning.message


def test_an_empty_answer_is_a_failure() -> None:
    drive = Drive(targets=("pt",)).text("One is. Then")
    drive.answer_all(Translation((" ",)))
    assert not drive.finals()
    assert len(drive.of(StreamWarning)) == 1


def test_lost_terms_are_told() -> None:
    drive = Drive(targets=("pt",)).text("One is. Then")
    drive.answer_all(Translation(("Um",), lost_terms=(LostTerm(0, 0),)))
    (warning,) = drive.of(StreamWarning)
    assert isinstance(warning, StreamWarning)
    assert (warning.option, warning.message) == ("glossary[0]", "segment 1: {option} is not kept")


def test_a_target_that_nobody_has() -> None:
    drive = Drive(targets=("fi", "pt")).text("One is. Then").answer_all()
    assert drive.finals() == [(1, "pt", "One is.>pt")]
    assert len(drive.of(StreamWarning)) == 1


def test_text_that_says_nothing_stays() -> None:
    drive = Drive(targets=("pt",)).text("... ").do([])
    drive.do(drive.session.end_of_input())
    assert not drive.work
    assert drive.finals() == [(1, "pt", "...")]


def test_acks_follow_what_was_asked_for() -> None:
    drive = Drive(targets=("pt",)).text("One is. Two")
    drive.do(drive.session.finalize("f")).text("Three is. Fo")
    drive.do(drive.session.reset("r", keep_context=False))
    assert not drive.of(ControlAck)
    drive.answer_all()
    told = [
        (e.control_id, e.last_final_segment) if isinstance(e, ControlAck) else e.segment_id
        for e in drive.events
        if isinstance(e, ControlAck | TranslatedSegment)
    ]
    assert told == [1, 2, ("f", 2), 3, ("r", 3)]
    drive.do(drive.session.end_of_input())
    assert drive.finished == [None]
    assert len(drive.finals()) == 3


def test_too_many_controls() -> None:
    drive = Drive().text("One is. ")
    drive.do(drive.session.finalize("0"))
    for _ in range(MAX_OPEN_CONTROLS - 1):
        drive.session.finalize("x")
    with pytest.raises(LimitExceededError):
        drive.session.finalize("x")


def test_nothing_after_the_end() -> None:
    drive = Drive().text("One is. ")
    drive.do(drive.session.end_of_input())
    for call in (lambda: drive.session.text("a"), lambda: drive.session.finalize("f")):
        with pytest.raises(InvalidOptionError):
            call()
    with pytest.raises(InvalidOptionError):
        drive.session.audio(np.zeros((1, 1), np.float32))


def test_a_failure_of_the_stream_gives_everything_up() -> None:
    drive = Drive().text("One is. Then")
    open_work = list(drive.work)
    drive.do(drive.session.fail(DOWN))
    assert drive.cancelled == open_work
    assert drive.finished == [DOWN]
    assert not drive.session.work_event(WorkDropped(open_work[0], DropReason.CANCELLED))
    assert not drive.session.fail(DOWN)
    assert not drive.session.tick()


# --- the source ---


def test_each_segment_is_identified() -> None:
    drive = Drive(targets=("pt",), source_language="", identifier="id").text("One is. Ok. Then")
    first, second = drive.work
    drive.answer(first, LanguagesFound(((LanguageGuess("fr", 0.9),),)))
    drive.answer(second, LanguagesFound(((LanguageGuess("xx", 0.2),),)))
    sources = [w.source_language for w in drive.work.values() if isinstance(w, TranslateWork)]
    assert sources == ["fr", "fr"]


def test_a_segment_that_cannot_tell_takes_the_language_before_it_whatever_is_answered_first() -> (
    None
):
    drive = Drive(targets=("pt",), source_language="", identifier="id").text("One is. Ok. Then")
    first, second = drive.work
    drive.answer(second, LanguagesFound(((LanguageGuess("xx", 0.2),),)))
    assert list(drive.work) == [first], "it waits for the one before"
    drive.answer(first, LanguagesFound(((LanguageGuess("fr", 0.9),),)))
    sources = [w.source_language for w in drive.work.values() if isinstance(w, TranslateWork)]
    assert sources == ["fr", "fr"]


def test_what_a_translation_lost_is_told_behind_it() -> None:
    drive = Drive().text("One is. Two is. Three")
    for work_id in reversed(list(drive.work)):
        work = drive.work[work_id]
        assert isinstance(work, TranslateWork)
        drive.answer(work_id, Translation((f"{work.texts[0]}>",), lost_terms=(LostTerm(0, 0),)))
    told = [
        (event.segment_id, event.language) if isinstance(event, TranslatedSegment) else "lost"
        for event in drive.events
        if isinstance(event, TranslatedSegment | StreamWarning)
    ]
    places = [(n, target) for n in (1, 2) for target in TARGETS]
    assert told == [entry for place in places for entry in (place, "lost")]


def test_speech_that_failed_is_told_in_its_place() -> None:
    drive = Drive(targets=("pt",), voices={"pt": VOICE}).text("One is. Two is. Three")
    for work_id in list(drive.work):
        drive.answer(work_id)
    first, second = drive.work
    drive.answer(second, DOWN)
    assert not drive.of(StreamWarning), "the piece before it still speaks"
    drive.answer(first)
    spoken = [
        type(e).__name__ for e in drive.events if isinstance(e, SpeechSamples | StreamWarning)
    ]
    assert spoken == ["SpeechSamples", "StreamWarning"]


def test_an_identifier_that_fails_leaves_it_to_the_script() -> None:
    drive = Drive(targets=("pt",), source_language="", identifier="id").text("これは日本語です。x")
    drive.answer(next(iter(drive.work)), DOWN)
    (work,) = drive.work.values()
    assert isinstance(work, TranslateWork)
    assert work.source_language == "ja"


# --- what still grows ---


def test_partials_of_the_newest_text() -> None:
    drive = Drive(targets=("pt",), partials=True).text("One").text(" two").text(" three")
    (work,) = drive.work.values()
    assert isinstance(work, TranslateWork)
    assert work.texts == ("One",)
    drive.answer(work.work_id)
    (work,) = drive.work.values()
    assert isinstance(work, TranslateWork)
    assert work.texts == ("One two three",)
    drive.text(". And")
    assert work.work_id in drive.cancelled
    drive.answer_all()
    kinds = [(e.segment_id, e.kind) for e in drive.events if isinstance(e, TranslatedSegment)]
    assert kinds == [
        (1, ResultKind.PARTIAL),
        (1, ResultKind.FINAL),
        (2, ResultKind.PARTIAL),
    ] or kinds == [(1, ResultKind.PARTIAL), (2, ResultKind.PARTIAL), (1, ResultKind.FINAL)]


def test_a_partial_that_fails_says_nothing() -> None:
    drive = Drive(targets=("pt",), partials=True).text("One")
    drive.answer(next(iter(drive.work)), DOWN)
    assert not drive.events


# --- audio ---


def test_what_was_heard_is_told_before_its_translation_and_without_it() -> None:
    drive = Drive(hears=True, targets=("pt",))
    drive.hear(1500, loud=True).hear(1500, loud=False)
    for work in list(drive.work.values()):
        if isinstance(work, RecognizeWork) and work.work_id in drive.work:
            drive.answer(work.work_id)
    finals = [
        e for e in drive.events if isinstance(e, TranscriptResult) and e.kind is ResultKind.FINAL
    ]
    assert len(finals) == 1
    assert not drive.finals()
    drive.do(drive.session.finalize("f")).do(drive.session.end_of_input())
    assert not drive.of(ControlAck)
    assert not drive.of(SessionEnded)
    drive.do(drive.session.tick())
    assert drive.of(Progress)
    drive.answer_all(DOWN)
    assert [type(e).__name__ for e in drive.events[-3:]] == [
        "StreamWarning",
        "ControlAck",
        "SessionEnded",
    ]
    assert drive.finished == [None]
    ended = drive.events[-1]
    assert isinstance(ended, SessionEnded)
    assert ended.usage.audio_in_ms >= 2900
    assert ended.usage.characters_out == len("good morning")


def test_a_recognizer_that_fails_ends_the_stream() -> None:
    drive = Drive(hears=True).hear(1500, loud=True)
    drive.do(drive.session.end_of_input())
    final = [w for w in drive.work.values() if isinstance(w, RecognizeWork)][-1]
    drive.answer(final.work_id, DOWN)
    assert drive.finished == [DOWN]


def test_text_on_a_stream_of_audio() -> None:
    with pytest.raises(InvalidOptionError):
        Drive(hears=True).text("a")


# --- speech ---


def test_speech_keeps_the_order_of_segments_and_the_end_waits_for_it() -> None:
    drive = Drive(targets=("pt",), voices={"pt": VOICE}).text("One is. Two is. Three is. ")
    drive.do(drive.session.end_of_input())
    while any(isinstance(w, TranslateWork) for w in drive.work.values()):
        drive.answer(next(k for k, w in drive.work.items() if isinstance(w, TranslateWork)))
    assert len(drive.work) == 2, "one is spoken, one ahead"
    drive.answer(list(drive.work)[1])
    assert not drive.of(SpeechSamples)
    drive.answer_all()
    spoken = [e.owner.segment_id for e in drive.events if isinstance(e, SpeechSamples)]
    assert spoken == [1, 2, 3]
    assert isinstance(drive.events[-1], SessionEnded)
    assert not drive.finished, "the encoder has it still"
    drive.do(drive.session.delivered())
    assert drive.finished == [None]


def test_speech_that_fails_costs_only_itself() -> None:
    drive = Drive(targets=("pt",), voices={"pt": VOICE}).text("One is. Two is. Then")
    while any(isinstance(w, TranslateWork) for w in drive.work.values()):
        drive.answer(next(k for k, w in drive.work.items() if isinstance(w, TranslateWork)))
    drive.answer(next(iter(drive.work)), DOWN).answer_all()
    assert [e.owner.segment_id for e in drive.events if isinstance(e, SpeechSamples)] == [2]
    assert len(drive.of(StreamWarning)) == 1
    assert len(drive.finals()) == 2


# --- anything at all ---


@pytest.mark.parametrize("seed", range(200))
def test_any_order_of_events(seed: int) -> None:
    """Each segment and target is told of once, in order; acks come in theirs; the end is last."""
    rng = random.Random(seed)
    voices = {"pt": VOICE} if seed % 2 else {}
    identifier = rng.choice(["", "id"])
    drive = Drive(
        source_language=rng.choice(["", "en"]),
        identifier=identifier,
        partials=bool(rng.getrandbits(1)),
        voices=voices,
    )
    drive.do(drive.session.start())
    controls = 0
    for _ in range(rng.randint(1, 60)):
        choice = rng.random()
        if choice < 0.4:
            drive.text(
                rng.choice(["One is. ", "Two ", "これは。", "...", "And so on, ", "\n\n", "🙂 "])
            )
        elif choice < 0.5:
            controls += 1
            drive.do(drive.session.finalize(f"{controls}"))
        elif choice < 0.55:
            controls += 1
            drive.do(drive.session.reset(f"{controls}", keep_context=True))
        elif drive.work:
            work_id = rng.choice(list(drive.work))
            drive.answer(work_id, DOWN if rng.random() < 0.3 else None)
    drive.do(drive.session.end_of_input())
    while drive.work:
        work_id = rng.choice(list(drive.work))
        drive.answer(work_id, DOWN if rng.random() < 0.3 else None)
    drive.do(drive.session.delivered() if voices else [])
    assert drive.finished == [None]
    check_order(drive, controls)


def check_order(drive: Drive, controls: int) -> None:
    """What holds of every session that ended well."""
    assert isinstance(drive.events[-1], SessionEnded)
    acks = [e.control_id for e in drive.events if isinstance(e, ControlAck)]
    assert acks == [str(n + 1) for n in range(controls)]
    told: list[tuple[int, str]] = []
    for event in drive.events:
        if isinstance(event, TranslatedSegment):
            place = (event.segment_id, event.language)
            if event.kind is ResultKind.FINAL:
                told.append(place)
            else:
                assert place not in told, "no PARTIAL follows a FINAL"
        elif isinstance(event, StreamWarning) and event.reason == "TRANSLATION_FAILED":
            words = event.message.split(":")[0].split()
            told.append((int(words[1]), words[-1]))
    last = max((segment for segment, _ in told), default=0)
    assert told == [(n, target) for n in range(1, last + 1) for target in TARGETS]
    spoken = [e.owner.segment_id for e in drive.events if isinstance(e, SpeechSamples)]
    assert spoken == sorted(spoken)
