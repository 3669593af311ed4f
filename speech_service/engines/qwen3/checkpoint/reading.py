"""A released checkpoint: its configuration and, one at a time and on demand, its tensors.

Tensors are asked for by the release's names, whichever layout the files have. Nothing is unpickled.
"""

# torch and safetensors declare their types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from speech_service.engines.qwen3.checkpoint.layouts import (
    Config,
    layout_of,
    release_config,
    release_names,
)
from speech_service.engines.qwen_release.files import CheckpointFiles, read_files
from speech_service.engines.qwen_release.hub import CheckpointError, locate

__all__ = ["DTYPES", "Checkpoint", "CheckpointError", "TensorReader", "open_checkpoint"]

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
"""What a network may compute in, as options call it."""

_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
_WHOLE = frozenset({"BOOL", "U8", "I8", "I16", "I32", "I64"})
_NAMED = 3
"""Tensors that a message lists by name."""
_DERIVED = re.compile(r".*\.(inv_freq|positional_embedding)$")
"""Tensors that some releases carry although they follow from the configuration."""


class TensorReader:
    """Reads tensors of one checkpoint as one type to one device: call it with a release name."""

    def __init__(self, checkpoint: "Checkpoint", dtype: torch.dtype | None, device: str) -> None:
        self._checkpoint = checkpoint
        self._dtype = dtype
        self._device = device
        self._open: dict[Path, Any] = {}

    def __call__(self, name: str) -> Tensor:
        """Read one tensor.

        Raises:
            CheckpointError: it is missing, cannot be read, or is of a type that is not supported.
        """
        checkpoint = self._checkpoint
        stored = checkpoint.stored_name(name)
        where = checkpoint.files.tensors[stored]
        if where.dtype not in _FLOATS | _WHOLE:
            raise checkpoint.error(
                f"tensor {name} is stored as {where.dtype}; float32, float16 and bfloat16 are read"
            )
        try:
            if where.file not in self._open:
                self._open[where.file] = safe_open(where.file, framework="pt")
            tensor: Tensor = self._open[where.file].get_tensor(stored)
        except (SafetensorError, OSError) as error:
            raise checkpoint.error(f"{where.file.name} cannot be read: {error}") from error
        if where.dtype in _WHOLE:
            return tensor.to(self._device)
        return tensor.to(device=self._device, dtype=self._dtype)


class Checkpoint:
    """One checkpoint folder. ``config`` is in the release's form; ``files`` is what lies on disk."""

    def __init__(self, files: CheckpointFiles) -> None:
        self.files = files
        self.config: Config = release_config(files.config)
        self._stored = release_names(files.tensors, layout_of(files.config))

    @property
    def names(self) -> frozenset[str]:
        """Release names of all tensors."""
        return frozenset(self._stored)

    def error(self, problem: str) -> CheckpointError:
        """An error that names the checkpoint; ``problem`` is a sentence without its full stop."""
        return self.files.error(problem)

    def stored_name(self, name: str) -> str:
        """What the file calls the tensor.

        Raises:
            CheckpointError: there is no such tensor.
        """
        stored = self._stored.get(name)
        if stored is None:
            raise self.error(f"tensor {name} is missing from the weights")
        return stored

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, without reading it.

        Raises:
            CheckpointError: there is no such tensor.
        """
        return self.files.tensors[self.stored_name(name)].shape

    def require(self, expected: Mapping[str, tuple[int, ...]], prefix: str = "") -> None:
        """Hold the tensors under ``prefix`` against the shapes that the configuration asks for. Reads no weights.

        Raises:
            CheckpointError: one is missing, has another shape, or belongs to another architecture.
        """
        missing = sorted(expected.keys() - self._stored.keys())
        if missing:
            raise self.error(f"the weights lack {_listed(missing)}")
        for name, shape in expected.items():
            if self.shape(name) != shape:
                raise self.error(
                    f"tensor {name} has shape {list(self.shape(name))}; config.json asks for {list(shape)}"
                )
        present = {name for name in self._stored if name.startswith(prefix)}
        odd = sorted(name for name in present - expected.keys() if not _DERIVED.match(name))
        if odd:
            raise self.error(
                f"the weights hold {_listed(odd)}, which this architecture does not have"
            )

    def reader(self, dtype: torch.dtype | None = None, device: str = "cpu") -> TensorReader:
        """Read tensors lazily.

        Args:
            dtype: of floating-point tensors; None: as stored.
            device: where they go.
        """
        return TensorReader(self, dtype, device)

    def part(self, folder: str, model_type: str) -> "Checkpoint":
        """A checkpoint inside this one's folder.

        Raises:
            CheckpointError: as :func:`open_checkpoint`.
        """
        path = self.files.folder / folder
        if not path.is_dir():
            raise self.error(f"folder {folder} is missing")
        return _opened(f"{self.files.name}/{folder}", path, model_type)


def open_checkpoint(source: str, model_type: str, revision: str = "") -> Checkpoint:
    """Open a checkpoint of one kind of model. Reads its headers, not its weights.

    Args:
        source: a folder, or the id of a hub repository, which is downloaded if it is not in the cache.
        model_type: as config.json must say ("qwen3_asr", "qwen3_tts").
        revision: branch, tag or commit of a repository.

    Raises:
        CheckpointError: it is not there, a file is missing or damaged, or it is another kind of model.
    """
    return _opened(source, locate(source, revision), model_type)


def _opened(name: str, folder: Path, model_type: str) -> Checkpoint:
    checkpoint = Checkpoint(read_files(name, folder))
    found = checkpoint.config.get("model_type")
    if found != model_type:
        raise checkpoint.error(
            f"config.json says model_type {found!r}; {model_type!r} is needed here"
        )
    return checkpoint


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    noun = "tensor" if len(names) == 1 else "tensors"
    return f"{noun} {', '.join(names[:_NAMED])}{more}"
