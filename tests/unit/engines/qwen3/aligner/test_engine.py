"""The alignment engine: shared passes, fair turns, failures that stay alone, and nothing left behind."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speech_service.domain.alignment import Granularity
from speech_service.domain.errors import InternalError
from speech_service.domain.work import WorkDone, WorkFailed
from speech_service.engines.qwen3.aligner.engine import AlignerEngine
from speech_service.engines.qwen3.aligner.network import AlignerNetwork, Passage
from speech_service.engines.qwen3.aligner.passages import PassageMaker
from speech_service.engines.qwen3.aligner.pieces import AlignerPiece
from tests.qwen_tiny.audio import speech_like
from tests.unit.engines.qwen3.aligner.loading import alignment, make_engine, make_work, run

TEXT = "please read the numbers one two three in a clear voice"


@pytest.fixture(scope="module")
def engine(aligner_folder: Path) -> AlignerEngine:
    return make_engine(aligner_folder)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many passages each pass of the network held."""
    sizes: list[int] = []
    real = AlignerNetwork.classes

    def counted(network: AlignerNetwork, passages: list[Passage]) -> Any:
        sizes.append(len(passages))
        return real(network, passages)

    monkeypatch.setattr(AlignerNetwork, "classes", counted)
    return sizes


def test_texts_share_a_pass_and_get_what_they_get_alone(
    engine: AlignerEngine, passes: list[int]
) -> None:
    items = [make_work(speech_like(at, 1 + 0.7 * at), TEXT) for at in range(8)]
    alone = [alignment(run(engine, item)[item.work_id]) for item in items]
    assert passes == [1] * 8
    passes.clear()
    together = run(engine, *items)
    assert passes == [8]
    assert [alignment(together[item.work_id]) for item in items] == alone


def test_a_pass_is_bounded_and_turns_are_taken(
    engine: AlignerEngine, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_service.engines.qwen3.aligner.engine._MAX_PASS_TOKENS", 250)
    items = [make_work(speech_like(at, 4.0), TEXT) for at in range(5)]
    events = run(engine, *items)
    assert passes == [2, 2, 1]
    assert list(events) == [item.work_id for item in items]


def test_long_audio_does_not_hold_up_short(aligner_folder: Path) -> None:
    engine = make_engine(aligner_folder, piece_ms=30_000)
    long = make_work(speech_like(1, 100.0), " ".join([TEXT] * 12))
    short = make_work(speech_like(2, 2.0), TEXT)
    engine.admit(long)
    assert engine.step() == []
    engine.admit(short)
    (event,) = engine.step()
    assert event.work_id == short.work_id
    events = run(engine)
    assert not events
    while not (events := engine.step()):
        continue
    assert [event.work_id for event in events] == [long.work_id]


@pytest.mark.parametrize("fault", ["nan", "raises"])
def test_a_text_whose_pass_fails_fails_alone(
    engine: AlignerEngine, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    items = [make_work(speech_like(at, 2.0), TEXT) for at in range(8)]
    expected = run(engine, *items)
    bad = items[5]
    real = PassageMaker.make

    def made(maker: PassageMaker, reading: AlignerPiece) -> Passage:
        passage = real(maker, reading)
        if np.shares_memory(reading.samples, bad.samples):
            mel = passage.mel * np.nan if fault == "nan" else passage.mel[:100]
            return replace(passage, mel=mel)
        return passage

    monkeypatch.setattr(PassageMaker, "make", made)
    events = run(engine, *items)
    failed = events[bad.work_id]
    assert isinstance(failed, WorkFailed)
    assert isinstance(failed.error, InternalError)
    for item in items:
        if item is not bad:
            assert alignment(events[item.work_id]) == alignment(expected[item.work_id])


def test_odd_input_fails_alone(engine: AlignerEngine) -> None:
    sound = speech_like(1, 2.0)
    good = make_work(sound, TEXT)
    bad = {
        "INVALID_AUDIO": make_work(sound[:0], TEXT),
        "UNSUPPORTED_OPTION": make_work(sound, TEXT, "sv"),
    }
    phones = make_work(sound, TEXT, granularity=Granularity.PHONE)
    events = run(engine, good, *bad.values(), phones)
    assert isinstance(events[good.work_id], WorkDone)
    for reason, item in (*bad.items(), ("UNSUPPORTED_OPTION", phones)):
        event = events[item.work_id]
        assert isinstance(event, WorkFailed)
        assert event.error.reason == reason


def test_timing_counts_passes(aligner_folder: Path) -> None:
    engine = make_engine(aligner_folder, piece_ms=30_000)
    work = make_work(speech_like(1, 70.0), " ".join([TEXT] * 8))
    event = run(engine, work)[work.work_id]
    assert isinstance(event, WorkDone)
    assert event.timing.decode_steps >= 3
    assert event.timing.decode_ms > 0


def test_a_thousand_random_cancels_leave_nothing_behind(engine: AlignerEngine) -> None:
    sound = speech_like(1, 0.5)
    expected = alignment(run(engine, make_work(sound, "one two", work_id="w"))["w"])
    choose = random.Random(5)
    alive: list[str] = []
    for number in range(1_000):
        engine.admit(make_work(sound, "one two", work_id=f"c{number}"))
        alive.append(f"c{number}")
        if choose.random() < 0.1:
            done = {event.work_id for event in engine.step()}
            assert done <= set(alive)
            alive = [name for name in alive if name not in done]
        while alive and choose.random() < 0.6:
            engine.abort(alive.pop(choose.randrange(len(alive))))
    for name in alive:
        engine.abort(name)
    engine.abort("never admitted")
    assert engine.step() == []
    assert not engine._jobs
    assert alignment(run(engine, make_work(sound, "one two", work_id="w"))["w"]) == expected


def test_a_word_that_nobody_can_say_is_not_given_to_the_model(engine: AlignerEngine) -> None:
    text = f"one {'x' * 10_000} two"
    work = make_work(speech_like(1, 3.0), text)
    plain = make_work(speech_like(1, 3.0), "one two")
    events = run(engine, work, plain)
    found, short = alignment(events[work.work_id]), alignment(events[plain.work_id])
    assert [(u.text, u.start_ms) for u in found.units] == [
        (u.text, u.start_ms) for u in short.units
    ]
