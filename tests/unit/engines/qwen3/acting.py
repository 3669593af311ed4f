"""Composes the Qwen engines as for a GPU with 16-bit numbers, on one that is acted: streams, graphs and its memory."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from speech_service.engines.qwen3.asr import compose as recognizer
from speech_service.engines.qwen3.asr import slots
from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions
from speech_service.engines.qwen3.asr.options import describe as describe_asr
from speech_service.engines.qwen3.codec import decoder
from speech_service.engines.qwen3.codec.kernels import PLAIN as CODEC_PLAIN
from speech_service.engines.qwen3.encoder import torch as encoder
from speech_service.engines.qwen3.nn import attention, block
from speech_service.engines.qwen3.nn.captured import PassSize
from speech_service.engines.qwen3.nn.kernels import PLAIN
from speech_service.engines.qwen3.tts import compose as synthesizer
from speech_service.engines.qwen3.tts import generator as generating
from speech_service.engines.qwen3.tts import predictor
from speech_service.engines.qwen3.tts.options import Qwen3TtsOptions
from speech_service.engines.qwen3.tts.options import describe as describe_tts
from speech_service.engines.qwen3.tts.sampling import choose
from speech_service.engines.runtimes import torch as devices
from speech_service.engines.runtimes.placement import PlacedEngine
from speech_service.engines.shared import SharedModels
from tests.fake_cuda import FakeCuda
from tests.fake_memory import WHERE, FakeMemory

_PROMPTS = (PassSize(16, 4), PassSize(64, 4))
"""Fewer shapes than there are, so that less is captured."""


@contextmanager
def acted_gpu() -> Iterator[FakeMemory]:
    """Inside, ``cuda`` is there, and all that this thread does with it is looked at."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        memory = FakeMemory(FakeCuda().install(patch)).install(patch)
        patch.setattr(devices, "_STREAMS", devices._Streams())
        patch.setattr(devices, "_choose_kernels", lambda: None)
        patch.setattr(encoder, "MOST_WINDOWS", 2)
        patch.setattr(attention, "flash_attention", attention.gathered_attention)
        for module in (block, predictor):
            patch.setattr(module, "kernels_of", lambda where: PLAIN)
        patch.setattr(decoder, "codec_kernels_of", lambda where: CODEC_PLAIN)
        patch.setattr(generating, "draw_of", lambda where: choose)
        for module in (slots, generating):
            patch.setattr(module, "prompt_sizes", lambda cache: _PROMPTS)
        with memory:
            yield memory
            gc.collect()  # graphs die on the device that they were captured on


def acted_asr(model: Path, draft: Path | None = None, **more: Any) -> PlacedEngine:
    """Compose a recognizer with graphs."""
    chosen: dict[str, Any] = {
        "max_batch": 3,
        "kept_segments": 1,
        "max_audio_ms": 4000,
        "max_context_tokens": 64,
        "tokens_per_s": 4.0,
        "dtype": "bfloat16",
        **more,
    }
    options = Qwen3AsrOptions(
        str(model), draft=str(draft or ""), device=str(WHERE), graphs=True, **chosen
    )
    engine = recognizer.compose(options, describe_asr(options), SharedModels())
    assert isinstance(engine, PlacedEngine)
    return engine


def acted_tts(model: Path, **more: Any) -> PlacedEngine:
    """Compose a synthesizer with graphs."""
    chosen: dict[str, Any] = {
        "max_batch": 2,
        "ramp": (1, 2),
        "max_seconds": 1.0,
        "max_prompt_tokens": 96,
        "warm_up_tokens": (16,),
        "dtype": "bfloat16",
        **more,
    }
    options = Qwen3TtsOptions(model=str(model), device=str(WHERE), **chosen)
    engine = synthesizer.compose(options, describe_tts(options), SharedModels())
    assert isinstance(engine, PlacedEngine)
    return engine
