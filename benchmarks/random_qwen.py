"""Writes checkpoints of released sizes with random weights: true timings at fixed shapes, and nothing else."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech_service.engines.qwen3.asr_config import AsrConfig, tensor_shapes
from speech_service.engines.qwen3.nn.shapes import AudioShape, DecoderShape
from tests.qwen_tiny.checkpoints import Checkpoint, Storage, write_checkpoint
from tests.qwen_tiny.folder import aligner_checkpoint, asr_checkpoint, vocabulary
from tests.qwen_tiny.vocabulary import write_vocabulary

# Released sizes (performance notes: counted on meta tensors): audio_config, text_config.
SIZES: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "0.6b": (
        {"d_model": 896, "encoder_layers": 18, "encoder_attention_heads": 14},
        {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28},
    ),
    "1.7b": (
        {"d_model": 1024, "encoder_layers": 24, "encoder_attention_heads": 16},
        {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28},
    ),
}
_SHARED_AUDIO = {"downsample_hidden_size": 480}
_SHARED_TEXT = {"num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 151_936}


def write_asr(size: str, folder: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """Write a recognizer of a released size; a folder that is there is left as it is.

    Args:
        size: a key of ``SIZES``.
        folder: where to; its parents exist.
        dtype: of the weights.
    """
    return _write(asr_checkpoint(2), SIZES[size], folder, dtype)


def write_aligner(folder: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """Write a forced aligner of the released size, as :func:`write_asr`: the large encoder, the small decoder."""
    return _write(aligner_checkpoint(), (SIZES["1.7b"][0], SIZES["0.6b"][1]), folder, dtype)


def _write(
    tiny: Checkpoint, sizes: tuple[dict[str, int], dict[str, int]], folder: Path, dtype: torch.dtype
) -> Path:
    """Write a tiny model's files with other sizes and tensors to match."""
    if (folder / "config.json").exists():
        return folder
    files, shapes = resized(tiny, sizes)
    generator = torch.Generator().manual_seed(0)
    tensors = {name: random_tensor(name, shape, generator) for name, shape in shapes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_words(folder, text_rows(files))
    write_checkpoint(Checkpoint(files, tensors), folder, Storage(dtype))
    return folder


def resized(
    tiny: Checkpoint, sizes: tuple[dict[str, int], dict[str, int]]
) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """A tiny model's files with other sizes, and the shapes of the tensors that go with them."""
    files = dict(tiny.files)
    config = dict(files["config.json"])
    audio, text = sizes
    thinker = dict(config["thinker_config"])
    width = {"encoder_ffn_dim": 4 * audio["d_model"], "output_dim": text["hidden_size"]}
    thinker["audio_config"] = thinker["audio_config"] | _SHARED_AUDIO | audio | width
    thinker["text_config"] = thinker["text_config"] | _SHARED_TEXT | text
    config["thinker_config"] = thinker
    files["config.json"] = config
    classes = int(thinker.get("classify_num", 0))
    shapes = tensor_shapes(
        AsrConfig(
            audio=AudioShape.from_config(thinker["audio_config"]),
            decoder=DecoderShape.from_config(thinker["text_config"]),
            classes=classes,
            tied_head=not classes,
            audio_token_id=None,
            timestamp_token_id=None,
            timestamp_ms=80,
            languages=(),
        )
    )
    return files, shapes


def text_rows(files: Mapping[str, Any]) -> int:
    """Tokens of the vocabulary."""
    return int(files["config.json"]["thinker_config"]["text_config"]["vocab_size"])


def write_words(folder: Path, rows: int) -> None:
    """Write the tiny tokenizer, with a made-up word for every other id: whatever is decoded has a text."""
    write_vocabulary(vocabulary(), folder)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    words = content["model"]["vocab"]
    taken = {*words.values(), *(token["id"] for token in content["added_tokens"])}
    words |= {f"\u0120word{number}": number for number in range(rows) if number not in taken}
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


def random_tensor(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Values that keep activations finite: norms of one, weights by the size of what they sum over.

    They are made where the generator is.
    """
    if len(shape) == 1:
        value = 1.0 if "norm" in name and "weight" in name else 0.0
        return torch.full(shape, value, device=generator.device)
    spread = 1 / math.sqrt(math.prod(shape[1:]))
    return torch.randn(shape, generator=generator, device=generator.device) * spread
