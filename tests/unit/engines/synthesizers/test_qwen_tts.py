"""What the qwen-tts backend makes of the official package; the package itself is in tests/contract."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from speech_service.config.tree import ModelConfig
from speech_service.domain.errors import InvalidOptionError, PreconditionError, SpeechError
from speech_service.domain.models import Capability
from speech_service.domain.synthesis import LexiconEntry, SpeechFinish, VoicePrompt
from speech_service.domain.work import (
    SpeechMade,
    SynthesizeWork,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkFailed,
)
from speech_service.engines.registry import build_engine, describe
from speech_service.protocols import Engine
from tests.qwen_tiny.folder import TinyModels
from tests.qwen_tiny.tts import Kind, Size
from tests.unit.engines.official import pretend

KIND = "synthesizer/qwen-tts"
RECORDING = np.linspace(-0.5, 0.5, 48_000, dtype=np.float32)


class Model:
    """Remembers what it was asked; its audio is what torch's generator draws."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fails = False
        self.seconds = 0.1

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("generate_"):
            raise AttributeError(name)
        return lambda **arguments: self._generate(name, arguments)

    def _generate(self, method: str, arguments: dict[str, Any]) -> tuple[list[Any], int]:
        import torch

        self.calls.append((method, arguments))
        if self.fails:
            raise RuntimeError("said by the package")
        return [(2 * torch.randn(round(24_000 * self.seconds))).numpy()], 24_000


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("models"))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    model = Model()
    pretend(monkeypatch, "qwen_tts", "Qwen3TTSModel", lambda *args, **kwargs: model)
    return model


def config_of(tiny: TinyModels, kind: Kind, size: Size = "1b7") -> ModelConfig:
    return ModelConfig(kind=KIND, options={"model": str(tiny.tts(kind, size))})


def work_of(**changes: Any) -> SynthesizeWork:
    work = SynthesizeWork(
        work_id="w",
        stream_id="s",
        work_class=WorkClass.UNARY,
        model="m",
        text="Hello\u200b there.",
        voice="ryan",
        language="en",
        seed=7,
    )
    return replace(work, **changes)


def spoken(engine: Engine, work: SynthesizeWork) -> WorkAudio:
    engine.admit(work)
    [audio] = engine.step()
    [end] = engine.step()
    assert isinstance(end, WorkDone)
    assert isinstance(audio, WorkAudio)
    return audio


def refused(engine: Engine, work: SynthesizeWork) -> SpeechError:
    engine.admit(work)
    [end] = engine.step()
    assert isinstance(end, WorkFailed)
    return end.error


def test_a_built_in_voice_is_asked_for_by_its_method(tiny: TinyModels, model: Model) -> None:
    engine = build_engine(config_of(tiny, "custom_voice"))
    audio = spoken(engine, work_of(instruct="Happy."))
    [(method, asked)] = model.calls
    assert method == "generate_custom_voice"
    assert (asked["text"], asked["speaker"], asked["language"]) == (
        "Hello there.",
        "ryan",
        "English",
    )
    assert asked["instruct"] == "Happy."
    assert asked["do_sample"] is asked["subtalker_dosample"] is True
    assert audio.sample_rate_hz == 24_000
    assert np.abs(audio.samples).max() == 1.0, "clipped"


def test_the_budget_is_the_texts_and_what_reaches_it_is_cut(tiny: TinyModels, model: Model) -> None:
    """The model makes 0.1 s."""
    engine = build_engine(config_of(tiny, "custom_voice"))
    spoken(engine, work_of(text="Huh?"))
    spoken(engine, work_of(text="A longer text has more time to be said."))
    limits = [asked["max_new_tokens"] for _, asked in model.calls]
    assert 50 < limits[0] < limits[1] < 2048


@pytest.mark.parametrize(
    ("seconds", "finish"), [(0.1, SpeechFinish.COMPLETE), (6.0, SpeechFinish.LENGTH_LIMIT)]
)
def test_speech_as_long_as_it_may_be_is_told_of(
    tiny: TinyModels, model: Model, seconds: float, finish: SpeechFinish
) -> None:
    """The package does not say why it stopped."""
    model.seconds = seconds
    engine = build_engine(config_of(tiny, "custom_voice"))
    engine.admit(work_of(text="Huh?"))
    engine.step()
    [end] = engine.step()
    assert isinstance(end, WorkDone)
    assert isinstance(end.outcome, SpeechMade)
    assert end.outcome.finish is finish


def test_writing_is_the_models_own_to_read(tiny: TinyModels, model: Model) -> None:
    text = "No. 5 costs €3,50 at 9:05; PIN 0042, 2 1/2 km."
    spoken(build_engine(config_of(tiny, "custom_voice")), work_of(text=text))
    assert model.calls[0][1]["text"] == text


def test_no_language_is_the_models_to_find_out(tiny: TinyModels, model: Model) -> None:
    spoken(build_engine(config_of(tiny, "custom_voice")), work_of(language=""))
    assert model.calls[0][1]["language"] == "Auto"


def test_a_voice_is_designed(tiny: TinyModels, model: Model) -> None:
    engine = build_engine(config_of(tiny, "voice_design"))
    assert Capability.VOICE_DESIGN in engine.capabilities.capabilities
    spoken(engine, work_of(voice="", instruct="A calm old man."))
    [(method, asked)] = model.calls
    assert method == "generate_voice_design"
    assert asked["instruct"] == "A calm old man."
    error = refused(engine, work_of(voice=""))
    assert isinstance(error, InvalidOptionError)
    assert error.option == "design"


@pytest.mark.parametrize("transcript", ["", "What was said."])
def test_a_voice_is_cloned_with_and_without_its_words(
    tiny: TinyModels, model: Model, transcript: str
) -> None:
    engine = build_engine(config_of(tiny, "base"))
    assert Capability.VOICE_CLONING in engine.capabilities.capabilities
    spoken(engine, work_of(voice="", voice_prompt=VoicePrompt(RECORDING, transcript)))
    [(method, asked)] = model.calls
    assert method == "generate_voice_clone"
    samples, rate_hz = asked["ref_audio"]
    np.testing.assert_array_equal(samples, RECORDING)
    assert rate_hz == 24_000
    assert asked["ref_text"] == (transcript or None)
    assert asked["x_vector_only_mode"] is not bool(transcript)
    assert isinstance(refused(engine, work_of(voice="")), PreconditionError)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"voice": "nobody"}, "voice_id"),
        ({"language": "la"}, "language"),
        ({"speaking_rate": 1.5}, "speaking_rate"),
        ({"lexicon": (LexiconEntry("a", "b"),)}, "lexicon"),
        ({"voice_prompt": VoicePrompt(RECORDING)}, "inline_prompt"),
        ({"instruct": "Sad."}, "style_instruction"),
    ],
)
def test_what_the_small_model_lacks_is_refused_by_name(
    tiny: TinyModels, model: Model, changes: dict[str, Any], field: str
) -> None:
    engine = build_engine(config_of(tiny, "custom_voice", "0b6"))
    assert Capability.STYLE_INSTRUCTION not in engine.capabilities.capabilities
    error = refused(engine, work_of(**changes))
    assert isinstance(error, InvalidOptionError)
    assert error.option == field
    assert not model.calls


def test_the_seed_decides_and_torchs_own_generator_is_left_alone(
    tiny: TinyModels, model: Model
) -> None:
    import torch

    engine = build_engine(config_of(tiny, "custom_voice"))
    torch.manual_seed(1)
    expected = torch.randn(3)
    torch.manual_seed(1)
    first, again = spoken(engine, work_of()), spoken(engine, work_of())
    other = spoken(engine, work_of(seed=2**64 - 1))
    np.testing.assert_array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)
    assert torch.equal(torch.randn(3), expected)


def test_a_failure_of_the_package_is_not_passed_on(tiny: TinyModels, model: Model) -> None:
    engine = build_engine(config_of(tiny, "custom_voice"))
    model.fails = True
    assert "said by the package" not in str(refused(engine, work_of()))
    model.fails = False
    spoken(engine, work_of())


def test_its_voices_and_languages_are_those_of_the_release(tiny: TinyModels) -> None:
    declared = describe(config_of(tiny, "custom_voice"))
    assert {"ryan", "vivian"} <= {voice.voice_id for voice in declared.voices}
    assert {"en", "zh"} <= set(declared.languages)
    assert not any("-" in tag for tag in declared.languages), "the package takes no dialects"
    assert not describe(config_of(tiny, "base")).voices
