"""The files of a checkpoint folder, checked before anything is read into memory. Nothing here needs torch."""

# safetensors declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import hashlib
import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from speech_service.engines.qwen_release.hub import WEIGHTS, WEIGHTS_INDEX, CheckpointError

_FOREIGN = ("pytorch_model*.bin", "*.pt", "*.pth", "*.gguf", "*.onnx")


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where a tensor is. ``dtype`` is the format's name of it ("F32", "BF16")."""

    file: Path
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """A checkpoint as it lies on disk. ``name`` is how the operator called it; messages use it."""

    name: str
    folder: Path
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    tensors: Mapping[str, StoredTensor]
    """By stored name."""

    def error(self, problem: str) -> CheckpointError:
        """An error that names the checkpoint; ``problem`` is a sentence without its full stop."""
        return CheckpointError(f"checkpoint {self.name!r}: {problem}.")

    @contextmanager
    def reading_config(self) -> Generator[None]:
        """Inside, what config.json lacks or holds wrongly becomes an error that names the checkpoint."""
        try:
            yield
        except KeyError as error:
            raise self.error(f"config.json lacks {error.args[0]}") from error
        except (TypeError, ValueError) as error:
            raise self.error(f"config.json holds a value that cannot be used: {error}") from error

    def json(self, file: str) -> Mapping[str, Any] | None:
        """An optional file's object; None: there is no such file.

        Raises:
            CheckpointError: it cannot be read or is no JSON object.
        """
        path = self.folder / file
        return _read_json(self.name, path) if path.is_file() else None

    def digests(self) -> Mapping[str, str]:
        """SHA-256 of each weight file, in hexadecimal, by file name. Computed once for each state of a file."""
        return {file.name: _digest(file) for file in self.weights}


def read_files(name: str, folder: Path) -> CheckpointFiles:
    """Look at a checkpoint folder.

    Args:
        name: for messages.
        folder: holds config.json and the weights.

    Raises:
        CheckpointError: config.json or a weight file is missing, cannot be read, or is not what it should be.
    """
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise CheckpointError(f"checkpoint {name!r}: config.json is missing.")
    config = _read_json(name, config_file)
    shards = _shards(name, folder)
    tensors: dict[str, StoredTensor] = {}
    for file in dict.fromkeys(shards.values()) if shards else (folder / WEIGHTS,):
        tensors.update(_read_header(name, file))
    for tensor, file in shards.items():
        if tensor not in tensors or tensors[tensor].file != file:
            raise CheckpointError(
                f"checkpoint {name!r}: {WEIGHTS_INDEX} says that {file.name} holds {tensor}, but it does not."
            )
    weights = tuple(dict.fromkeys(stored.file for stored in tensors.values()))
    return CheckpointFiles(name, folder, config, weights, tensors)


def _shards(name: str, folder: Path) -> dict[str, Path]:
    """File of each tensor where the weights are in several files; empty: they are in one."""
    if (folder / WEIGHTS).is_file():
        return {}
    index_file = folder / WEIGHTS_INDEX
    if not index_file.is_file():
        foreign = sorted(file.name for glob in _FOREIGN for file in folder.glob(glob))
        found = f" It holds {', '.join(foreign)}, which is not read." if foreign else ""
        raise CheckpointError(
            f"checkpoint {name!r}: {WEIGHTS} is missing, and so is {WEIGHTS_INDEX}. Weights are read as safetensors "
            f"only, because other formats may run code.{found}"
        )
    found_map = _read_json(name, index_file).get("weight_map")
    if not isinstance(found_map, dict) or not found_map:
        raise CheckpointError(f"checkpoint {name!r}: {WEIGHTS_INDEX} has no weight_map.")
    weight_map = cast(dict[str, object], found_map)
    for shard in set(weight_map.values()):
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise CheckpointError(
                f"checkpoint {name!r}: {WEIGHTS_INDEX} names {shard!r}, which is no file of its folder."
            )
    files = {tensor: folder / str(shard) for tensor, shard in weight_map.items()}
    missing = sorted({file.name for file in files.values() if not file.is_file()})
    if missing:
        raise CheckpointError(
            f"checkpoint {name!r}: {WEIGHTS_INDEX} needs {', '.join(missing)}, which is missing."
        )
    return files


def _read_json(name: str, file: Path) -> Mapping[str, Any]:
    try:
        value: object = json.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CheckpointError(f"checkpoint {name!r}: {file.name} cannot be read: {why}.") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"checkpoint {name!r}: {file.name} is not valid JSON: {error}."
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"checkpoint {name!r}: {file.name} is not a JSON object.")
    return cast(dict[str, Any], value)


def _read_header(name: str, file: Path) -> dict[str, StoredTensor]:
    """The tensors of one weight file; every byte of them must be there."""
    from safetensors import SafetensorError, safe_open  # an installation without Qwen has none

    try:
        with safe_open(file, framework="numpy") as opened:
            slices = {tensor: opened.get_slice(tensor) for tensor in opened.keys()}  # noqa: SIM118 - no mapping
            return {
                tensor: StoredTensor(file, each.get_dtype(), tuple(each.get_shape()))
                for tensor, each in slices.items()
            }
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {name!r}: {file.name} cannot be read: {error.strerror}."
        ) from error
    except SafetensorError as error:
        raise CheckpointError(
            f"checkpoint {name!r}: {file.name} is not a safetensors file, or is cut off or damaged ({error}). "
            "Copy or download it again."
        ) from error


_digests: dict[tuple[str, int, int], str] = {}
_digest_lock = threading.Lock()


def _digest(file: Path) -> str:
    """SHA-256, remembered in this process until the file's size or time of change differs."""
    state = file.stat()
    key = (str(file), state.st_size, state.st_mtime_ns)
    with _digest_lock:
        if key not in _digests:
            with file.open("rb") as stream:
                _digests[key] = hashlib.file_digest(stream, "sha256").hexdigest()
        return _digests[key]
