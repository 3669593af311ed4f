"""What is asked of the official packages, and the one thing that is changed in them.

The packages run in an environment of their own (README.md), where this module is imported.
"""

import importlib
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tests.qwen_tiny.tensors import digest

PACKAGES = (
    "qwen-asr",
    "qwen-tts",
    "transformers",
    "torch",
    "tokenizers",
    "numpy",
    "nagisa",
    "soynlp",
)


def provenance(folders: Mapping[str, Path]) -> dict[str, Any]:
    """Give package versions, and the fingerprint of each checkpoint's tensors."""
    safetensors = importlib.import_module("safetensors.torch")
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    tensors = {
        name: digest(safetensors.load_file(folder / "model.safetensors"))
        for name, folder in folders.items()
    }
    return {"packages": versions, "checkpoints": tensors}


def load_recognizer(folder: Path) -> Any:
    """Load qwen-asr's model in float32, with the attention of its encoder windowed."""
    model = importlib.import_module("qwen_asr").Qwen3ASRModel.from_pretrained(
        str(folder), dtype=torch.float32
    )
    _window_attention()
    return model


def load_aligner(folder: Path) -> Any:
    """Load qwen-asr's forced aligner in float32, with the attention of its encoder windowed."""
    aligner = importlib.import_module("qwen_asr").Qwen3ForcedAligner.from_pretrained(
        str(folder), dtype=torch.float32
    )
    _window_attention()
    return aligner


def load_synthesizer(folder: Path) -> Any:
    """Load qwen-tts's model in float32."""
    return importlib.import_module("qwen_tts").Qwen3TTSModel.from_pretrained(
        str(folder), dtype=torch.float32
    )


def _window_attention() -> None:
    """Give every encoder layer the mask that the flash-attention path implies.

    Without flash-attention the package passes no mask, and a frame attends to the whole clip.
    """
    modeling = importlib.import_module("qwen_asr.core.transformers_backend.modeling_qwen3_asr")
    layer = modeling.Qwen3ASRAudioEncoderLayer
    if hasattr(layer, "whole_clip_forward"):
        return
    layer.whole_clip_forward = layer.forward

    def windowed(self: Any, states: Any, bounds: Any, **options: Any) -> Any:
        count = states.shape[0]
        window = torch.bucketize(torch.arange(count), bounds[1:], right=True)
        mask = torch.zeros(1, 1, count, count)
        mask.masked_fill_(window[:, None] != window[None, :], torch.finfo(torch.float32).min)
        return self.whole_clip_forward(states, bounds, attention_mask=mask, **options)

    layer.forward = windowed
