"""Graphs on ONNX Runtime, with arguments and results in torch's memory."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech_service.config.tree import ConfigError
from speech_service.engines.formats.onnx import Exported
from speech_service.engines.runtimes.onnx_session import forget_model, ort

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS = tuple(
    getattr(ort.capi.onnxruntime_pybind11_state, name)
    for name in ("Fail", "InvalidArgument", "RuntimeException", "EPFail", "NotImplemented")
)


def open_session(file: Path, exported: Exported, where: torch.device, threads: int) -> Any:
    """Load a graph.

    Args:
        file: an exported graph.
        exported: what it must be.
        where: CPU or GPU.
        threads: of one operation on the CPU; 0: the runtime's own choice.

    Raises:
        ConfigError: the file is no such graph, or this ONNX Runtime cannot use the device.
    """
    what, option, provider = exported.what, exported.option, _PROVIDERS[where.type]
    known = ort.get_available_providers()
    if provider not in known:
        raise ConfigError(
            f'{what}: "onnx" on {where.type} needs {provider}; this onnxruntime has {", ".join(known)}. '
            "Install onnxruntime-gpu in its place."
        )
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    chosen = (provider, {"device_id": where.index}) if where.type == "cuda" else provider
    try:
        session = ort.InferenceSession(file.read_bytes(), settings, providers=[chosen])
    except OSError as error:
        raise ConfigError(f"{option}: {str(file)!r} cannot be read: {error.strerror}") from error
    except Exception as error:  # whatever the runtime makes of a file that is not a graph
        raise ConfigError(f"{option}: {str(file)!r} is no ONNX model that can be run") from error
    if provider not in session.get_providers():
        raise ConfigError(
            f'{what}: "onnx" on {where.type}: {provider} cannot start here; its CUDA libraries are missing'
        )
    given = {each.name for each in session.get_inputs()}
    made = {each.name for each in session.get_outputs()}
    if given != set(exported.inputs) or not made >= set(exported.outputs):
        raise ConfigError(
            f"{option}: {str(file)!r} is no {what} of this service; make it with "
            f"`speech-service export-{what}`"
        )
    return forget_model(session)


def run_bound(session: Any, given: Mapping[str, Tensor], made: Mapping[str, Tensor]) -> None:
    """Run a graph into ``made``. The caller waits for its own work on the device first: the runtime has its own stream.

    Raises:
        RuntimeError: the runtime failed.
    """
    binding = session.io_binding()
    for name, tensor in given.items():
        binding.bind_input(name, *_place(tensor))
    for name, tensor in made.items():
        binding.bind_output(name, *_place(tensor))
    try:
        session.run_with_iobinding(binding)
    except _ERRORS as error:
        raise RuntimeError(f"the runtime failed: {error}") from error
    binding.synchronize_outputs()


def _place(tensor: Tensor) -> tuple[str, int, Any, tuple[int, ...], int]:
    """Where a tensor is, as the runtime wants to be told."""
    element = str(tensor.dtype).removeprefix("torch.")
    where = tensor.device
    return where.type, where.index or 0, element, tuple(tensor.shape), tensor.data_ptr()
