"""Random TTS checkpoints: of the shapes that the engine reads, and with no end of their own."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks import random_tts
from speech_service.domain.work import SynthesizeWork, WorkAudio, WorkClass, WorkDone
from speech_service.engines.qwen3.tts.options import Qwen3TtsOptions, build
from speech_service.engines.shared import SharedModels

_HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, **_HEADS}


@pytest.fixture
def small_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """The released layout in numbers that a test can afford; no two of them are alike where that would hide a slip."""
    monkeypatch.setattr(random_tts, "TALKERS", {"1.7b": {**SMALL, "hidden_size": 64}})
    monkeypatch.setattr(random_tts, "PREDICTOR", SMALL)
    sizes = {"hidden_size": 24, "latent_dim": 40, "codebook_dim": 12, "decoder_dim": 32}
    codec = {**SMALL, **sizes, "num_key_value_heads": 2, "head_dim": 8}
    monkeypatch.setattr(random_tts, "CODEC", codec)
    monkeypatch.setattr(random_tts, "TEXT_ROWS", 640)
    monkeypatch.setattr(random_tts, "TEXT_WIDTH", 56)


@pytest.mark.parametrize("size", ["tiny", "1.7b"])
@pytest.mark.parametrize("temperature", [0.0, None])
@pytest.mark.usefixtures("small_release")
def test_it_speaks_exactly_as_long_as_it_may(
    tmp_path: Path, size: str, temperature: float | None
) -> None:
    frames = 12
    options = Qwen3TtsOptions(
        model=str(random_tts.write_tts(size, tmp_path / size)),
        dtype="float32",
        max_batch=1,
        max_seconds=(frames + 0.5) * 0.08,
        temperature=temperature,
        predictor_temperature=temperature,
    )
    engine = build(options, SharedModels())
    engine.admit(
        SynthesizeWork(
            work_id="one",
            stream_id="one",
            work_class=WorkClass.UNARY,
            model="qwen3",
            text="Turn left.",
            voice="ryan",
        )
    )
    samples: list[np.ndarray] = []
    events = []
    while not any(isinstance(event, WorkDone) for event in events):
        events = engine.step()
        samples += [event.samples for event in events if isinstance(event, WorkAudio)]
    spoken = np.concatenate(samples)
    assert len(spoken) == frames * 1920
    assert np.isfinite(spoken).all()
    assert spoken.std() > 0
