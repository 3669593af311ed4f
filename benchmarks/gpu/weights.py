"""Checkpoints of released sizes whose weights are made where they are used, and not on disk.

A folder holds the configuration, the tokenizer, and safetensors with true headers above a hole in the file; what an
engine reads of it is random, made on the engine's device. Random weights give true timings at fixed shapes and nothing
else. On a GPU billions of them take a second; from one CPU thread and a disk they take minutes.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.random_qwen import SIZES, resized, text_rows, write_words
from benchmarks.random_tts import CODEC_FOLDER, HEAD, released, values
from speech_service.engines.qwen3.checkpoint.reading import TensorReader
from tests.qwen_tiny import tts
from tests.qwen_tiny.checkpoints import Checkpoint
from tests.qwen_tiny.folder import (
    aligner_checkpoint,
    asr_checkpoint,
    codec_checkpoint,
    tts_checkpoint,
    vocabulary,
)
from tests.qwen_tiny.vocabulary import write_vocabulary

HOLLOW = "made-on-the-device"
"""A file of this name says that the folder's tensors are."""
Shapes = Mapping[str, tuple[int, ...]]
_SEED = 0
_BYTES = 2
"""Of one bfloat16."""


def write_asr(size: str, folder: Path) -> Path:
    """Write a recognizer: "tiny", or a key of ``SIZES``."""
    tiny = asr_checkpoint(2)
    files, shapes = _tiny(tiny) if size == "tiny" else resized(tiny, SIZES[size])
    write_words(folder_of(folder), text_rows(files))
    return _write(files, shapes, folder)


def write_aligner(size: str, folder: Path) -> Path:
    """Write a forced aligner: "tiny", or the released one, which has the large encoder and the small decoder."""
    tiny, sizes = aligner_checkpoint(), (SIZES["1.7b"][0], SIZES["0.6b"][1])
    files, shapes = _tiny(tiny) if size == "tiny" else resized(tiny, sizes)
    write_words(folder_of(folder), text_rows(files))
    return _write(files, shapes, folder)


def write_tts(size: str, folder: Path) -> Path:
    """Write a CustomVoice model that never ends by itself, with its codec."""
    if size == "tiny":
        talker = _tiny(tts_checkpoint(tts.Variant("custom_voice")))
        codec = _tiny(codec_checkpoint())
    else:
        talker, codec = released(size)
    write_vocabulary(vocabulary(), folder_of(folder))
    _write(*codec, folder_of(folder / CODEC_FOLDER))
    return _write(*talker, folder)


def folder_of(path: Path) -> Path:
    """The folder, made if it is not there."""
    path.mkdir(parents=True, exist_ok=True)
    return path


def _tiny(checkpoint: Checkpoint) -> tuple[dict[str, Any], Shapes]:
    shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint.tensors.items()}
    return dict(checkpoint.files), shapes


def _write(files: Mapping[str, Any], shapes: Shapes, folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + _BYTES * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    (folder / HOLLOW).touch()
    return folder


def install() -> None:
    """From now on, what is read of such a folder is made on the device; other checkpoints are read as ever."""
    read: Callable[[TensorReader, str], Tensor] = TensorReader.__call__

    def made(self: TensorReader, name: str) -> Tensor:
        checkpoint, device, dtype = _asked(self)
        if not (checkpoint.files.folder / HOLLOW).exists():
            return read(self, name)
        generator = torch.Generator(device).manual_seed(_SEED)
        tensor = values(name, checkpoint.shape(name), generator)
        if name == HEAD:
            tensor[tts.CODEC_EOS] = 0.0
        return tensor.to(dtype or torch.bfloat16)

    TensorReader.__call__ = made


def _asked(reader: TensorReader) -> tuple[Any, str, torch.dtype | None]:
    """Checkpoint, device and type of a reader."""
    own = vars(reader)
    return own["_checkpoint"], own["_device"], own["_dtype"]
