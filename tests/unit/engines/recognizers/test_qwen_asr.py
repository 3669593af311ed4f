"""What the qwen-asr backend makes of the official package; the package itself is in tests/contract."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from speech_service.config.tree import ConfigError, ModelConfig
from speech_service.domain.audio import Samples
from speech_service.domain.errors import UnsupportedOptionError
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.engines.registry import build_engine, describe
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine
from tests.unit.engines.official import pretend

KIND = "recognizer/qwen-asr"
POISON = 0.5


class Model:
    """Says how long each clip is; a clip with the poison in it spoils the whole call."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def transcribe(
        self, audio: Sequence[tuple[Samples, int]], context: Sequence[str], language: Sequence[Any]
    ) -> list[SimpleNamespace]:
        self.calls.append({"audio": audio, "context": context, "language": language})
        if any(samples[0] == POISON for samples, _ in audio):
            raise RuntimeError("said by the package")
        return [
            SimpleNamespace(text=f"{len(samples)}", language=forced or "German,English")
            for (samples, _), forced in zip(audio, language, strict=True)
        ]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    model = Model()
    pretend(monkeypatch, "qwen_asr", "Qwen3ASRModel", lambda *args, **kwargs: model)
    return model


def engine_of(folder: Path, **options: object) -> Engine:
    return build_engine(ModelConfig(kind=KIND, options={"model": str(folder), **options}))


def work_of(
    work_id: str = "w", value: float = 0.1, samples: int = 4_000, **changes: Any
) -> RecognizeWork:
    return RecognizeWork(
        work_id=work_id,
        segment=SegmentKey("s", 0, 0),
        kind=RecognizeKind.FINAL,
        work_class=WorkClass.UNARY,
        samples=np.full(samples, value, np.float32),
        model="m",
        **changes,
    )


def outcomes(engine: Engine, *items: RecognizeWork) -> dict[str, WorkEvent]:
    for item in items:
        engine.admit(item)
    return {event.work_id: event for event in engine.step()}


def test_all_admitted_items_are_one_call(model: Model, tmp_path: Path) -> None:
    engine = engine_of(tmp_path, context="Names: Ada")
    events = outcomes(
        engine,
        work_of("a", samples=4_000, language="yue"),
        work_of("b", samples=8_000, context="Names: Grace"),
    )
    [call] = model.calls
    assert [rate for _, rate in call["audio"]] == [16_000, 16_000]
    assert call["language"] == ["Cantonese", None]
    assert call["context"] == ["Names: Ada", "Names: Grace"]
    first, second = events["a"], events["b"]
    assert isinstance(first, WorkDone)
    assert isinstance(second, WorkDone)
    assert (first.hypothesis.text, first.hypothesis.language) == ("4000", "yue")
    assert (second.hypothesis.text, second.hypothesis.language) == ("8000", "de")
    assert engine.step() == []


def test_an_item_that_spoils_the_call_fails_alone(model: Model, tmp_path: Path) -> None:
    items = [work_of(str(i), POISON if i == 5 else 0.1) for i in range(8)]
    events = outcomes(engine_of(tmp_path), *items)
    failed = [work_id for work_id, event in events.items() if isinstance(event, WorkFailed)]
    assert failed == ["5"]
    error = events["5"]
    assert isinstance(error, WorkFailed)
    assert "said by the package" not in str(error.error)
    assert len(model.calls) == 7  # 8, 4 + 4, 2 + 2, 1 + 1


def test_what_cannot_be_transcribed_never_reaches_the_package(model: Model, tmp_path: Path) -> None:
    events = outcomes(
        engine_of(tmp_path), work_of("latin", language="la"), work_of("nan", value=np.nan)
    )
    assert not model.calls
    latin = events["latin"]
    assert isinstance(latin, WorkFailed)
    assert isinstance(latin.error, UnsupportedOptionError)
    assert latin.error.option == "language"
    assert isinstance(events["nan"], WorkFailed)


def test_audio_that_the_package_fails_on_is_padded(model: Model, tmp_path: Path) -> None:
    outcomes(engine_of(tmp_path), work_of(samples=1))
    [(samples, _)] = model.calls[0]["audio"]
    assert len(samples) == 1_600
    assert not samples[1:].any()


def test_an_aborted_item_is_not_transcribed(model: Model, tmp_path: Path) -> None:
    engine = engine_of(tmp_path)
    engine.admit(work_of())
    engine.abort("w")
    assert engine.step() == []
    assert not model.calls


def test_lanes_load_one_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loads: list[dict[str, Any]] = []

    def load(*args: Any, **kwargs: Any) -> Model:
        loads.append({"folder": args[0], **kwargs})
        return Model()

    pretend(monkeypatch, "qwen_asr", "Qwen3ASRModel", load)
    shared = SharedModels()
    config = ModelConfig(
        kind=KIND, options={"model": str(tmp_path), "dtype": "bfloat16", "max_batch": 3}
    )
    build_engine(config, shared)
    build_engine(config, shared)
    [settings] = loads
    assert settings["folder"] == str(tmp_path)
    assert str(settings["dtype"]) == "torch.bfloat16"
    assert settings["device_map"] == "cpu"
    assert settings["attn_implementation"] == "sdpa"
    assert settings["max_inference_batch_size"] == 3
    assert settings["max_new_tokens"] == 512


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "model"),
        ({"model": "m", "max_batch": 0}, "max_batch"),
        ({"model": "m", "max_segment_ms": 10}, "max_segment_ms"),
        ({"model": "m", "dtype": "int8"}, r"dtype.*bfloat16"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        describe(ModelConfig(kind=KIND, options=options))
