"""Synthesizers to run the contract of engines against: how each kind is configured here, and what it needs for that."""

import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from speech_service.config.tree import ModelConfig
from speech_service.domain.audio import Samples
from speech_service.engines.registry import MODELS
from speech_service.engines.speaking import PieceAudio
from tests.contract import speech_server

KINDS = sorted(kind for kind in MODELS if kind.startswith("synthesizer/"))


@contextmanager
def configured(kind: str, folder: Path) -> Iterator[ModelConfig]:
    """Give the configuration of a kind, with its server running where it asks one. Skips what is not installed."""
    if kind == "synthesizer/vllm-omni":
        with speech_server.serving() as server:
            options = {"base_url": server.url, "model": speech_server.MODEL}
            yield ModelConfig(kind=kind, options=options)
    elif kind == "synthesizer/qwen-tts":
        if importlib.util.find_spec("qwen_tts") is None:
            pytest.skip(
                "the package qwen-tts is not installed; docs/backends.md says how it can be"
            )
        from tests.qwen_tiny.folder import TinyModels

        options = {"model": str(TinyModels(folder).tts("custom_voice")), "max_new_tokens": 12}
        yield ModelConfig(kind=kind, options=options)
    elif kind == "synthesizer/qwen3":
        from tests.qwen_tiny.folder import TinyModels

        options = {"model": str(TinyModels(folder).tts("custom_voice")), "dtype": "float32"}
        yield ModelConfig(kind=kind, options={**options, "max_seconds": 1.0, "threads": 1})
    else:
        yield ModelConfig(kind=kind)


def pieces_of(spoken: Iterable[Samples | PieceAudio]) -> Iterator[PieceAudio]:
    """Leave out what comes ahead of a piece, which has it again."""
    return (item for item in spoken if isinstance(item, PieceAudio))
