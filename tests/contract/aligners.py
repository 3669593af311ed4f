"""What the suite of all aligners builds and hears."""

import atexit
import tempfile
import wave
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from speech_service.config.tree import ModelConfig
from speech_service.domain.audio import Samples
from speech_service.engines.model_files import package_folder
from speech_service.engines.registry import build_engine
from speech_service.protocols import Engine
from tests.qwen_tiny.counting import write_counting_aligner

_engines: dict[str, Engine] = {}


def loaded(kind: str) -> Engine:
    if kind not in _engines:
        _engines[kind] = build_engine(config_of(kind))
    return _engines[kind]


def config_of(kind: str) -> ModelConfig:
    """The backend's own defaults; the network gets a model that counts words, and needs no weights."""
    if kind != "aligner/qwen3":
        return ModelConfig(kind=kind)
    return ModelConfig(kind=kind, options={"model": _counting_aligner(), "dtype": "float32"})


@cache
def _counting_aligner() -> str:
    folder = tempfile.TemporaryDirectory(prefix="aligner-")
    atexit.register(folder.cleanup)
    return str(write_counting_aligner(Path(folder.name)))


def clip(name: str, seconds: float | None = None) -> Samples:
    folder = package_folder("moonshine_voice")
    assert folder is not None
    with wave.open(str(folder / "assets" / f"{name}.wav")) as file:
        rate = file.getframerate()
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    samples = soxr.resample(data, rate, 16_000).astype(np.float32)
    return samples if seconds is None else samples[: int(seconds * 16_000)]
