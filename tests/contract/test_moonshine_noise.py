"""A pause of a real recording: voice activity detection takes a creak for speech, and Moonshine says "You"."""

import asyncio

import numpy as np
import pytest

from speech_service.config.tree import ModelConfig, VadConfig
from speech_service.domain.events import Detect, Emit, Submit
from speech_service.domain.recognition import Pacing, RecognitionOptions
from speech_service.domain.transcript import RepairKind, ResultKind, TranscriptResult
from speech_service.engines.registry import build_engine, build_vad
from speech_service.protocols import Engine
from speech_service.sessions.recognition.session import RecognitionSession, SessionIdentity
from tests.contract.test_recognizers import clip


@pytest.fixture(scope="module")
def moonshine() -> Engine:
    return build_engine(ModelConfig(kind="recognizer/moonshine"))


def finals(
    engine: Engine, samples: "np.ndarray[tuple[int], np.dtype[np.float32]]"
) -> list[TranscriptResult]:
    """FINALs of a file, by the real detector and the real model."""
    options = RecognitionOptions(
        model="m",
        language="en",
        pacing=Pacing.FILE,
        partial_results=False,
        noise_words=engine.capabilities.noise_words,
    )
    session = RecognitionSession(SessionIdentity("s"), options, clock=lambda: 0.0)
    vad = build_vad(VadConfig(kind="silero")).open()
    found: list[TranscriptResult] = []
    waiting = [*session.start(), *session.audio(samples[:, np.newaxis])]
    waiting += [*session.catch_up()]
    ended = False
    while waiting or not ended:
        if not waiting:
            ended = True
            waiting += session.end_of_input()
            continue
        action = waiting.pop(0)
        match action:
            case Detect(_, frames):
                waiting += session.probabilities(asyncio.run(vad.probabilities(frames)))
            case Submit(work):
                engine.admit(work)
                events = list(engine.step())
                while not events:
                    events = list(engine.step())
                waiting += session.work_event(events[0])
            case Emit(TranscriptResult(kind=ResultKind.FINAL) as final):
                found.append(final)
            case _:
                pass
    return found


def test_near_silence_between_two_sentences_is_no_word(moonshine: Engine) -> None:
    found = finals(moonshine, np.tile(clip("two_cities"), 2))
    texts = [final.text for final in found]
    assert "You" not in texts
    assert any(repair.kind is RepairKind.NOISE for final in found for repair in final.repairs)
    assert len("".join(texts)) > 600
