"""One suite for every synthesizer as an engine: work in, audio and one end out."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from speech_service.config.tree import ModelConfig
from speech_service.domain.audio import Samples
from speech_service.domain.errors import InvalidOptionError, UnsupportedOptionError
from speech_service.domain.models import Capability, ModelKind
from speech_service.domain.synthesis import LexiconEntry
from speech_service.domain.work import (
    SpeechMade,
    SynthesizeWork,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.engines.registry import build_engine, describe
from speech_service.protocols import Engine
from tests.contract.synthesizers import KINDS, configured

MAX_STEPS = 2_000
TOLERANCE = 1e-4
"""Batches of other sizes add in another order; a different code would be heard."""
TEXT = "Hello there. How are you?"


@pytest.fixture(scope="module", params=KINDS)
def config(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelConfig]:
    with configured(request.param, tmp_path_factory.mktemp("models")) as config:
        yield config


@pytest.fixture(scope="module")
def loaded(config: ModelConfig) -> Engine:
    return build_engine(config)


@pytest.fixture
def engine(loaded: Engine) -> Iterator[Engine]:
    """The engine of a kind, loaded once; a test that leaves work behind spoils the next."""
    yield loaded
    assert list(loaded.step()) == []


def work_of(engine: Engine, text: str = TEXT, work_id: str = "w") -> SynthesizeWork:
    voice = engine.capabilities.voices[0]
    return SynthesizeWork(
        work_id=work_id,
        stream_id="s",
        work_class=WorkClass.UNARY,
        model="m",
        text=text,
        voice=voice.voice_id,
        language=voice.languages[0],
    )


def run(engine: Engine, *items: SynthesizeWork) -> dict[str, list[WorkEvent]]:
    """Run work to its end, never admitting more than the engine allows; the events of each item, in order."""
    waiting, running = list(items), set[str]()
    events: dict[str, list[WorkEvent]] = {item.work_id: [] for item in items}
    for _ in range(MAX_STEPS):
        while waiting and len(running) < engine.capabilities.max_batch:
            engine.admit(waiting[0])
            running.add(waiting.pop(0).work_id)
        for event in engine.step():
            assert event.work_id in running, "nothing comes after the end"
            events[event.work_id].append(event)
            if not isinstance(event, WorkAudio):
                running.remove(event.work_id)
        if not waiting and not running:
            return events
    raise AssertionError("the engine never ends")


def spoken(engine: Engine, item: SynthesizeWork) -> Samples:
    *audio, end = run(engine, item)[item.work_id]
    assert isinstance(end, WorkDone), end
    assert isinstance(end.outcome, SpeechMade)
    return joined(audio)


def joined(audio: list[WorkEvent]) -> Samples:
    pieces = [event.samples for event in audio if isinstance(event, WorkAudio)]
    assert len(pieces) == len(audio)
    return np.concatenate(pieces)


def assert_same(actual: Samples, expected: Samples) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


def failed(engine: Engine, item: SynthesizeWork) -> InvalidOptionError:
    [end] = run(engine, item)[item.work_id]
    assert isinstance(end, WorkFailed), end
    assert isinstance(end.error, InvalidOptionError)
    return end.error


def test_what_is_declared_is_what_is_built(config: ModelConfig, engine: Engine) -> None:
    declared = describe(config)
    assert engine.capabilities == declared
    assert declared.kind is ModelKind.SYNTHESIZER
    assert declared.voices
    for voice in declared.voices:
        assert voice.model == declared.name
        assert voice.sample_rate_hz == declared.sample_rate_hz
        assert voice.languages


def test_the_configured_name_is_the_voices_model_too(config: ModelConfig) -> None:
    named = describe(structs.replace(config, name="mine"))
    assert {named.name, *(voice.model for voice in named.voices)} == {"mine"}


def test_speech_is_finite_audio_at_the_declared_rate(engine: Engine) -> None:
    *audio, end = run(engine, work_of(engine))["w"]
    assert audio
    for event in audio:
        assert isinstance(event, WorkAudio)
        assert event.samples.dtype == np.float32
        assert event.samples.ndim == 1
        assert len(event.samples)
        assert np.isfinite(event.samples).all()
        assert np.abs(event.samples).max() <= 1.0
        assert event.sample_rate_hz == engine.capabilities.sample_rate_hz
    assert isinstance(end, WorkDone)
    assert isinstance(end.outcome, SpeechMade)
    assert end.outcome.sample_rate_hz == engine.capabilities.sample_rate_hz


def test_samples_are_the_receivers_own(engine: Engine) -> None:
    before = spoken(engine, work_of(engine))
    *audio, _ = run(engine, work_of(engine))["w"]
    for event in audio:
        assert isinstance(event, WorkAudio)
        event.samples[:] = 0  # it must be writeable, and no one's buffer
    assert_same(spoken(engine, work_of(engine)), before)


def test_a_seed_makes_it_repeatable(engine: Engine) -> None:
    assert Capability.SEED in engine.capabilities.capabilities
    one, largest = (replace(work_of(engine), seed=seed) for seed in (1, 2**63 - 1))
    assert_same(spoken(engine, one), spoken(engine, one))
    assert_same(spoken(engine, largest), spoken(engine, largest))
    a, b = spoken(engine, one), spoken(engine, replace(one, seed=2))
    assert len(a) != len(b) or not np.allclose(a, b, atol=TOLERANCE)


def test_items_do_not_touch_each_other(engine: Engine) -> None:
    items = [work_of(engine, text, text) for text in (TEXT, "Something else.", "Five, six.")]
    alone = [spoken(engine, item) for item in items]
    silent = work_of(engine, "?!", "silent")
    events = run(engine, items[0], silent, *items[1:])
    assert isinstance(events["silent"][-1], WorkFailed)
    for item, expected in zip(items, alone, strict=True):
        *audio, end = events[item.work_id]
        assert isinstance(end, WorkDone)
        assert_same(joined(audio), expected)


@pytest.mark.parametrize("text", ["", " \n ", "\x00\x07", "?! …", "\ud800"])
def test_text_that_says_nothing_fails(engine: Engine, text: str) -> None:
    assert failed(engine, work_of(engine, text)).reason == "NOTHING_TO_SPEAK"


@pytest.mark.parametrize("text", ["a\x00b \ud800 c", "Hi 😀 you", "zero\u200bwidth"])
def test_odd_text_is_spoken(engine: Engine, text: str) -> None:
    assert len(spoken(engine, work_of(engine, text)))


def test_what_is_not_declared_is_refused_by_name(engine: Engine) -> None:
    has = engine.capabilities.capabilities
    if Capability.SPEAKING_RATE not in has:
        error = failed(engine, replace(work_of(engine), speaking_rate=1.5))
        assert isinstance(error, UnsupportedOptionError)
        assert error.option == "speaking_rate"
    if Capability.LEXICON not in has:
        error = failed(engine, replace(work_of(engine), lexicon=(LexiconEntry("a", "b"),)))
        assert isinstance(error, UnsupportedOptionError)
        assert error.option == "lexicon"


def test_abort_forgets_at_any_step(engine: Engine) -> None:
    expected = spoken(engine, work_of(engine))
    for steps in range(3):
        engine.admit(work_of(engine, work_id=f"gone-{steps}"))
        for _ in range(steps):
            engine.step()
        engine.abort(f"gone-{steps}")
        assert list(engine.step()) == []
    engine.abort("never admitted")
    assert_same(spoken(engine, work_of(engine)), expected)
