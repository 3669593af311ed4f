"""A word that a model says of noise is left out where the voice was faint; repairs are told to the client."""

from dataclasses import replace

import pytest

from speech_service.domain.audio import ms_to_samples
from speech_service.domain.events import StreamWarning
from speech_service.domain.recognition import Endpointing, EndpointingMode
from speech_service.domain.transcript import Hypothesis, Repair, RepairKind
from speech_service.domain.work import RecognizeKind, WorkDone, WorkTiming
from speech_service.sessions.recognition.faint_voice import FaintVoice, without_noise_words
from tests.unit.sessions.checked_session import ENDPOINTING, OPTIONS
from tests.unit.sessions.drive import Drive

NOISE_WORDS = ("you", "thank you", "bye")
NOISY = replace(OPTIONS, noise_words=NOISE_WORDS)
FRAME = 512
FINAL = RecognizeKind.FINAL


def answer(drive: Drive, said: Hypothesis, text: str | None = None) -> Drive:
    """Finish the FINAL that waits; ``text``: what the client is to see of it, where that is not what was said."""
    work = drive.the(FINAL)
    drive.segments[work.segment.segment_id].tokens.append(said.tokens)
    drive.answers[work.work_id] = said.text if text is None else text
    return drive.outcome(WorkDone(work.work_id, said, WorkTiming()))


def utterance(drive: Drive, ms: float, score: float) -> Drive:
    """Speech of one probability, with silence round it."""
    drive.quiet(700)
    drive.speak(ms, 32, score)
    return drive.quiet(800)


@pytest.mark.parametrize(
    "text", ["You", "you.", "YOU!", "Thank you.", "thank  you", "Bye.", "Bye!", "♪♪", "...", "-"]
)
def test_a_noise_word_of_a_faint_voice_is_left_out(text: str) -> None:
    drive = utterance(Drive(NOISY), 160, 0.8)
    answer(drive, Hypothesis(text, (1,), "en", certainty=0.8), "").end()
    (final,) = drive.finals
    assert final.text == ""
    assert [repair.kind for repair in final.repairs] == [RepairKind.NOISE]
    assert not [event for event in drive.events if isinstance(event, StreamWarning)]


@pytest.mark.parametrize(
    ("text", "ms", "score", "certainty"),
    [
        ("You", 160, 0.97, 0.8),
        ("You", 500, 0.8, 0.8),
        ("You", 160, 0.8, 0.98),
        ("You know.", 160, 0.8, 0.5),
        ("Yes.", 160, 0.6, 0.5),
        ("No", 160, 0.8, 0.3),
        ("Eight.", 128, 0.7, 0.4),
        ("One.", 160, 0.8, None),
        ("Thank you, doctor.", 160, 0.8, 0.6),
        ("Bye.", 400, 0.99, 0.4),
        ("Thank you.", 700, 1.0, None),
    ],
)
def test_words_stay_where_one_of_the_three_is_missing(
    text: str, ms: float, score: float, certainty: float | None
) -> None:
    drive = utterance(Drive(NOISY), ms, score)
    answer(drive, Hypothesis(text, (1, 2), "en", certainty=certainty)).end()
    assert [final.text for final in drive.finals] == [text]


def test_a_model_without_noise_words_is_believed() -> None:
    drive = utterance(Drive(), 160, 0.8)
    answer(drive, Hypothesis("You", (1,), "en", certainty=0.3)).end()
    assert [final.text for final in drive.finals] == ["You"]


def test_a_loud_utterance_before_makes_no_faint_one_loud() -> None:
    drive = utterance(Drive(NOISY), 800, 1.0)
    answer(drive, Hypothesis("You", (1,), "en", certainty=0.8))
    utterance(drive, 160, 0.8)
    answer(drive, Hypothesis("You", (1,), "en", certainty=0.8), "").end()
    assert [final.text for final in drive.finals] == ["You", ""]


def test_a_segment_that_was_cut_from_a_loud_one_is_loud() -> None:
    voice = FaintVoice(Endpointing())
    for probability, is_open in [(0.5, False), (1.0, True)]:
        voice.hear(probability, FRAME, is_open=is_open)
    voice.begin(goes_on=True)
    assert not voice.is_faint
    voice.begin(goes_on=False)
    assert voice.is_faint


def test_frames_before_a_segment_opens_are_in_it() -> None:
    voice = FaintVoice(Endpointing())
    for _ in range(4):
        voice.hear(0.99, FRAME, is_open=False)
    voice.begin(goes_on=False)
    assert not voice.is_faint


def test_without_certainty_voice_activity_decides() -> None:
    said = Hypothesis("Thank you.", certainty=None)
    found = without_noise_words(said, NOISE_WORDS, ms_to_samples(700))
    assert found.text == ""
    assert found.repairs == (Repair(RepairKind.NOISE, 0, 700),)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (RepairKind.REPETITION, "REPETITION_REPAIRED"),
        (RepairKind.UNDECODED, "SPEECH_NOT_DECODED"),
    ],
)
def test_a_repair_is_told_after_its_final_with_times(kind: RepairKind, reason: str) -> None:
    drive = Drive(replace(OPTIONS, endpointing=replace(ENDPOINTING, mode=EndpointingMode.VAD)))
    drive.quiet(700).say(900).quiet(800)
    said = Hypothesis("one two", (1, 2), "en", repairs=(Repair(kind, 250, 900),))
    answer(drive, said).end()
    (final,) = drive.finals
    (warning,) = [event for event in drive.events if isinstance(event, StreamWarning)]
    assert drive.events.index(warning) == drive.events.index(final) + 1
    assert warning.reason == reason
    assert (warning.start_ms, warning.end_ms) == (final.start_ms + 250, final.start_ms + 900)
    assert f"segment {final.segment_id}" in warning.message
    assert "one" not in warning.message.split(": ")[-1].split()
