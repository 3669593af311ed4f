"""Recognizers to run the contract against: how each kind is configured here, and what it needs for that."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from speech_service.config.tree import ModelConfig
from speech_service.engines.registry import MODELS
from tests.contract import speech_server

REALTIME = "recognizer/vllm realtime"
KINDS = sorted([*(kind for kind in MODELS if kind.startswith("recognizer/")), REALTIME])


@contextmanager
def configured(kind: str, folder: Path) -> Iterator[ModelConfig]:
    """Give the configuration of a kind, with its server running where it asks one. Skips what is not installed."""
    if kind == REALTIME:
        if importlib.util.find_spec("websockets") is None:
            pytest.skip("websockets is not installed")
        from tests.contract import realtime_server

        with realtime_server.serving(realtime_server.RealtimeServer()) as server:
            options = {"base_url": server.url, "model": speech_server.MODEL, "mode": "realtime"}
            yield ModelConfig(kind="recognizer/vllm", options=options)
    elif kind == "recognizer/vllm":
        with speech_server.serving() as server:
            options = {"base_url": server.url, "model": speech_server.MODEL}
            yield ModelConfig(kind=kind, options=options)
    elif kind == "recognizer/qwen-asr":
        if importlib.util.find_spec("qwen_asr") is None:
            pytest.skip(
                "the package qwen-asr is not installed; docs/backends.md says how it can be"
            )
        from tests.qwen_tiny.folder import TinyModels

        options = {"model": str(TinyModels(folder).asr_target()), "max_new_tokens": 24}
        yield ModelConfig(kind=kind, options=options)
    elif kind == "recognizer/qwen3":
        from tests.qwen_tiny.folder import TinyModels

        model = str(TinyModels(folder).asr_target())
        yield ModelConfig(kind=kind, options={"model": model, "dtype": "float32", "threads": 1})
    else:
        yield ModelConfig(kind=kind)
