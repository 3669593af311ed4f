"""How translations are spoken: as the client asked for it, and what it is told where speech is not all of its text."""

from dataclasses import replace
from typing import Any

import numpy as np

from speech_service.domain.errors import UnavailableError
from speech_service.domain.events import SpeechSamples, StreamWarning
from speech_service.domain.synthesis import LexiconEntry, Segmentation, SpeechFinish, VoicePrompt
from speech_service.domain.work import Outcome, SpeechMade, SynthesizeWork, TranslateWork
from tests.unit.sessions.translation_drive import VOICE, Drive

CUT = SpeechMade(24_000, finish=SpeechFinish.LENGTH_LIMIT)
HALF_SAID = SpeechMade(24_000, unspoken=("日本",))


def speaking(text: str, *, tries: int = 1, **voice: Any) -> Drive:
    """A session that has translated ``text`` and is about to speak it."""
    drive = Drive(targets=("pt",), voices={"pt": replace(VOICE, **voice)}, speech_tries=tries).text(
        text
    )
    while waiting := [k for k, w in drive.work.items() if isinstance(w, TranslateWork)]:
        drive.answer(waiting[0])
    return drive


def to_speak(drive: Drive) -> list[SynthesizeWork]:
    return [work for work in drive.work.values() if isinstance(work, SynthesizeWork)]


def speak_all(drive: Drive, outcome: Outcome | None = None) -> list[SynthesizeWork]:
    """Speak everything; returns what was spoken, in order."""
    spoken: list[SynthesizeWork] = []
    while works := to_speak(drive):
        spoken.append(works[0])
        drive.answer(works[0].work_id, outcome)
    return spoken


def told(drive: Drive) -> list[str]:
    return [event.reason for event in drive.events if isinstance(event, StreamWarning)]


def test_a_translation_is_spoken_as_the_client_asked_for_it() -> None:
    asked: dict[str, Any] = {
        "voice": "",
        "voice_prompt": VoicePrompt(np.ones(240, np.float32), "hello"),
        "instruct": "whisper",
        "lexicon": (LexiconEntry("one", "uan", ""),),
        "seed": 7,
        "speaking_rate": 1.5,
        "language": "pt",
    }
    (work, *_) = to_speak(speaking("One is. Then", **asked))
    assert {name: getattr(work, name) for name in asked} == asked


def test_text_is_cut_where_the_client_wants_it_cut() -> None:
    text = "This is a rather long clause to begin with, and that is another one of them. Then"
    whole = speak_all(speaking(text))
    clauses = speak_all(speaking(text, segmentation=Segmentation.CLAUSE))
    assert (len(whole), len(clauses)) == (1, 2)
    assert "".join(work.text for work in clauses) == whole[0].text


def test_speech_that_was_cut_is_told_once_behind_its_segment() -> None:
    drive = speaking(
        "This is a rather long clause to begin with, and that is another one of them. Two is. Then",
        segmentation=Segmentation.CLAUSE,
    )
    assert len(speak_all(drive, CUT)) == 3
    heard = [e for e in drive.events if isinstance(e, SpeechSamples | StreamWarning)]
    assert [type(e).__name__ for e in heard] == [
        *("SpeechSamples", "SpeechSamples", "StreamWarning"),
        *("SpeechSamples", "StreamWarning"),
    ]
    assert told(drive) == ["SPEECH_CUT", "SPEECH_CUT"]


def test_text_that_the_voice_cannot_say_is_told() -> None:
    drive = speaking("One is. Then")
    speak_all(drive, HALF_SAID)
    assert told(drive) == ["UNSPOKEN_TEXT"]


def test_speech_that_is_whole_brings_no_warning() -> None:
    drive = speaking("One is. Two is. Then")
    speak_all(drive)
    assert told(drive) == []


def test_where_nobody_has_heard_it_speech_is_made_again_from_other_seeds() -> None:
    drive = speaking("One is. Then", tries=3, seed=7)
    seeds: list[int] = []
    for outcome in (CUT, CUT, None):
        (work,) = to_speak(drive)
        seeds.append(work.seed)
        assert not drive.of(SpeechSamples)
        drive.answer(work.work_id, outcome)
    assert seeds[0] == 7
    assert len(set(seeds)) == 3
    assert len(drive.of(SpeechSamples)) == 1, "the last try alone"
    assert told(drive) == []


def test_tries_come_to_an_end() -> None:
    drive = speaking("One is. Then", tries=3)
    assert len(speak_all(drive, CUT)) == 3
    assert told(drive) == ["SPEECH_CUT"]
    assert len(drive.of(SpeechSamples)) == 1


def test_a_failure_is_not_tried_again() -> None:
    drive = speaking("One is. Then", tries=3)
    (work,) = to_speak(drive)
    drive.answer(work.work_id, UnavailableError("the voice is down"))
    assert not to_speak(drive)
    assert told(drive) == ["SPEECH_FAILED"]
