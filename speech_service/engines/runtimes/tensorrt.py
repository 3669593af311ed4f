"""TensorRT engines of exported graphs: built once for each GPU, version, precision and weights, and kept."""

# torch declares its types in part only, tensorrt not at all.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import hashlib
import importlib
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech_service.config.tree import ConfigError
from speech_service.engines.formats.onnx import Exported

logger = logging.getLogger(__name__)

Profile = Mapping[str, Sequence[tuple[int, ...]]]
"""Least, usual and greatest shape of each input."""
_FLAGS = {torch.float32: None, torch.float16: "FP16", torch.bfloat16: "BF16"}
_LAYOUT = 1
"""Raised when a change of this module makes kept engines useless."""


def require_tensorrt(where: torch.device, what: str) -> Any:
    """The package; ``what`` is the option that asks for it.

    Raises:
        ConfigError: there is no GPU, or no package.
    """
    if where.type != "cuda":
        raise ConfigError(f'{what}: "tensorrt" needs an NVIDIA GPU; device says {where.type!r}')
    try:
        return importlib.import_module("tensorrt")
    except ImportError as error:
        raise ConfigError(
            f'{what}: "tensorrt" needs the package tensorrt. Install it: pip install tensorrt'
        ) from error


def engine_name(
    what: str, graph: bytes, gpu: str, version: str, dtype: torch.dtype, profile: Profile
) -> str:
    """File name of the engine that belongs to a graph (hence to its weights), a GPU, a TensorRT and a precision."""
    weights = hashlib.sha256(graph).hexdigest()
    key = "\n".join([weights, gpu, version, str(dtype), str(sorted(profile.items())), str(_LAYOUT)])
    return f"{what}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.engine"


def open_engine(
    file: Path,
    exported: Exported,
    where: torch.device,
    dtype: torch.dtype,
    profile: Profile,
) -> Any:
    """The engine of an exported graph, kept beside its file or built anew, which takes minutes.

    Args:
        file: the graph.
        exported: what it must be.
        where: the GPU.
        dtype: what it may compute in; its arguments and results are float32.
        profile: of its inputs.

    Raises:
        ConfigError: there is no GPU or package, the file is no graph that TensorRT takes, or an engine cannot be kept.
    """
    trt = require_tensorrt(where, exported.what)
    try:
        graph = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{exported.option}: {str(file)!r} cannot be read: {error.strerror}"
        ) from error
    gpu = torch.cuda.get_device_name(where)
    kept = file.parent / engine_name(exported.what, graph, gpu, trt.__version__, dtype, profile)
    with torch.cuda.device(where):
        runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
        if kept.is_file():
            engine = runtime.deserialize_cuda_engine(kept.read_bytes())
            if engine is not None:
                return engine
            logger.warning("a kept TensorRT engine cannot be read; it is built again")
        plan = _plan(trt, graph, exported, dtype, profile)
        _keep(kept, plan)
        return runtime.deserialize_cuda_engine(plan)


def run_engine(context: Any, given: Mapping[str, Tensor], made: Mapping[str, Tensor]) -> None:
    """Run an execution context into ``made``, on the current stream.

    Raises:
        RuntimeError: TensorRT failed.
    """
    for name, tensor in given.items():
        context.set_input_shape(name, tuple(tensor.shape))
        context.set_tensor_address(name, tensor.data_ptr())
    for name, tensor in made.items():
        context.set_tensor_address(name, tensor.data_ptr())
    where = next(iter(made.values())).device
    if not context.execute_async_v3(torch.cuda.current_stream(where).cuda_stream):
        raise RuntimeError("TensorRT did not run the graph")


def _plan(
    trt: Any, graph: bytes, exported: Exported, dtype: torch.dtype, profile: Profile
) -> bytes:
    log = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(log)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph):
        problem = parser.get_error(0).desc() if parser.num_errors else "no reason given"
        raise ConfigError(
            f"{exported.option}: TensorRT {trt.__version__} cannot read it: {problem}"
        )
    settings = builder.create_builder_config()
    flag = _FLAGS[dtype]
    if flag is not None:
        settings.set_flag(getattr(trt.BuilderFlag, flag))
    shapes = builder.create_optimization_profile()
    for name, sizes in profile.items():
        shapes.set_shape(name, *sizes)
    settings.add_optimization_profile(shapes)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise ConfigError(
            f'{exported.what}: TensorRT {trt.__version__} could not build an engine ("{dtype}")'
        )
    return bytes(plan)


def _keep(file: Path, plan: bytes) -> None:
    """Write it under another name first: another process may look for it."""
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as target:
            target.write(plan)
        Path(target.name).replace(file)
    except OSError as error:
        raise ConfigError(
            f"the engine built by TensorRT cannot be kept beside the graph: {str(file.parent)!r} cannot be written: "
            f"{error.strerror}"
        ) from error
