"""Writes tiny checkpoints as folders in the layout of the releases."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor


@dataclass(frozen=True)
class Storage:
    """How tensors are stored: their dtype, and over how many files."""

    dtype: torch.dtype = torch.bfloat16
    shards: int = 1


BFLOAT16 = Storage()
FLOAT32 = Storage(torch.float32)


@dataclass(frozen=True)
class Checkpoint:
    """What a folder of a model holds: JSON files by name, and float32 tensors by name."""

    files: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def stored(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Give the tensors as they are stored."""
    return {name: value.to(dtype).contiguous() for name, value in tensors.items()}


def write_checkpoint(checkpoint: Checkpoint, folder: Path, storage: Storage = BFLOAT16) -> None:
    """Write configuration files and safetensors; several shards get an index, as in the large releases."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in checkpoint.files.items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
    tensors = stored(checkpoint.tensors, storage.dtype)
    if storage.shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        _write_shards(tensors, folder, storage.shards)


def _write_shards(tensors: Mapping[str, Tensor], folder: Path, shards: int) -> None:
    names = sorted(tensors)
    places: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: tensors[name] for name in names[shard::shards]}
        save_file(part, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(part, file)
    total = sum(value.numel() * value.element_size() for value in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), "utf-8")
