"""Moonshine over what people repeat, in recordings and in synthesized speech, and over what makes it loop."""

from pathlib import Path

import numpy as np
import pytest

from speech_service.config.tree import ModelConfig
from speech_service.domain.audio import Samples
from speech_service.domain.transcript import RepairKind
from speech_service.domain.work import (
    SynthesizeWork,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkEvent,
)
from speech_service.engines.registry import build_engine
from speech_service.protocols import Engine
from tests.contract.repeated_digits import at_16_khz, count_of, heard, repeated

REPEATED = [
    ("theo", 3, 6, 100),
    ("theo", 3, 10, 100),
    ("theo", 9, 6, 300),
    ("theo", 9, 10, 100),
    ("theo", 7, 6, 300),
    ("theo", 7, 10, 300),
    ("jackson", 3, 6, 300),
    ("jackson", 3, 10, 300),
    ("jackson", 7, 6, 300),
    ("george", 3, 6, 300),
    ("george", 7, 10, 300),
    ("george", 9, 6, 100),
    ("george", 9, 10, 300),
    ("lucas", 2, 8, 200),
]
"""Speaker, digit, how often, milliseconds between: those that Moonshine hears right, said once and said often."""
SENTENCES = [
    ("One two three four five six. " * 4 + "And then we stopped for lunch.", "lunch"),
    ("Yes, yes, yes, yes, yes, yes. We will come tomorrow.", "tomorrow"),
    ("Very very very very very very good coffee.", "coffee"),
    ("No, no, no, no, no, no, no. That is my bicycle.", "bicycle"),
    ("Knock, knock, knock, knock, knock, knock. Who is at the window?", "window"),
    (
        "Left, right, left, right, left, right, left, right, left, right. Halt, soldiers.",
        "soldiers",
    ),
    ("Please call me. " * 6 + "My number is in the kitchen.", "kitchen"),
    (
        "Again and again and again and again and again and again he opened the garden door.",
        "garden",
    ),
    ("Row, row, row, row, row, row your boat to the island.", "island"),
    ("Ten, nine, eight, seven. " * 5 + "The rocket has started.", "rocket"),
    ("Go, go, go, go, go, go! The morning is ours.", "morning"),
]
"""Text that repeats, and a word that stands behind the repetitions."""


@pytest.fixture(scope="module")
def moonshine() -> Engine:
    return build_engine(ModelConfig(kind="recognizer/moonshine"))


@pytest.fixture(scope="module")
def hibari() -> Engine:
    return build_engine(ModelConfig(kind="synthesizer/hibari"))


def spoken(engine: Engine, text: str) -> Samples:
    voice = engine.capabilities.voices[0].voice_id
    work = SynthesizeWork(
        work_id="w", stream_id="s", work_class=WorkClass.UNARY, model="m", text=text, voice=voice
    )
    engine.admit(work)
    events: list[WorkEvent] = []
    while not any(isinstance(event, WorkDone) for event in events):
        events += engine.step()
    pieces = [event for event in events if isinstance(event, WorkAudio)]
    samples = np.concatenate([piece.samples for piece in pieces])
    return at_16_khz(samples, pieces[0].sample_rate_hz)


@pytest.mark.parametrize(("speaker", "digit", "times", "gap_ms"), REPEATED)
def test_a_digit_said_often_is_written_often(
    moonshine: Engine, speech_data: Path, speaker: str, digit: int, times: int, gap_ms: int
) -> None:
    folder = speech_data.parent / "digits"
    found = heard(moonshine, repeated(folder, speaker, digit, times, gap_ms))
    assert times - 1 <= count_of(found.text, digit) <= times + 1, found.text
    assert found.repairs == ()


@pytest.mark.parametrize(("text", "last"), SENTENCES)
def test_what_follows_repetitions_is_written(
    moonshine: Engine, hibari: Engine, text: str, last: str
) -> None:
    found = heard(moonshine, spoken(hibari, text))
    assert last in found.text.casefold(), found.text
    assert len(found.text.split()) >= 0.6 * len(text.split()), found.text


def test_speech_behind_a_hum_that_makes_it_loop_is_written(
    moonshine: Engine, hibari: Engine
) -> None:
    at_s = np.arange(12 * 16_000) / 16_000
    hum = 0.05 * np.sign(np.sin(2 * np.pi * 110 * at_s)) * (1 + np.sin(6 * np.pi * at_s))
    speech = spoken(hibari, "The answer is in the kitchen, beside the yellow teapot.")
    found = heard(moonshine, np.concatenate([hum.astype(np.float32), speech]))
    assert "kitchen" in found.text.casefold()
    assert "♪♪♪♪♪♪♪♪" not in found.text


def test_a_hum_alone_makes_it_loop_and_is_repaired(moonshine: Engine) -> None:
    at_s = np.arange(15 * 16_000) / 16_000
    hum = 0.05 * np.sign(np.sin(2 * np.pi * 110 * at_s)) * (1 + np.sin(6 * np.pi * at_s))
    found = heard(moonshine, hum.astype(np.float32))
    assert {repair.kind for repair in found.repairs} <= {
        RepairKind.REPETITION,
        RepairKind.UNDECODED,
    }
    assert found.repairs
    assert len(found.text) < 100
