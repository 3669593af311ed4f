"""TensorRT engines of exported graphs: built once for each GPU, version and graph, and kept.

Networks are strongly typed, as TensorRT 11 has no others and 10 has them, too: the types in the graph are what is
computed in, but that products and convolutions of float32 may round to TF32.
"""

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
_OLDEST, _NEWEST = (10, 13), (11,)
"""Versions whose interface this is: from the first to all of the second."""
_INSTALL = 'pip install "tensorrt>=10.13,<12"'
_LAYOUT = 2
"""Raised when a change of this module makes kept engines useless."""


def require_tensorrt(where: torch.device, what: str) -> Any:
    """The package; ``what`` is the option that asks for it.

    Raises:
        ConfigError: there is no GPU, no package, or one of another version.
    """
    if where.type != "cuda":
        raise ConfigError(f'{what}: "tensorrt" needs an NVIDIA GPU; device says {where.type!r}')
    try:
        trt = importlib.import_module("tensorrt")
    except ImportError as error:
        raise ConfigError(
            f'{what}: "tensorrt" needs the package tensorrt. Install it: {_INSTALL}'
        ) from error
    found = tuple(int(part) for part in trt.__version__.split(".")[:2])
    if found < _OLDEST or found[:1] > _NEWEST:
        raise ConfigError(
            f'{what}: "tensorrt" is {trt.__version__} here; 10.13 to 11 are known. Install one: {_INSTALL}'
        )
    return trt


def engine_name(what: str, graph: bytes, gpu: str, version: str, profile: Profile) -> str:
    """File name of the engine that belongs to a graph (hence to its weights and types), a GPU and a TensorRT."""
    weights = hashlib.sha256(graph).hexdigest()
    key = "\n".join([weights, gpu, version, str(sorted(profile.items())), str(_LAYOUT)])
    return f"{what}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.engine"


def open_engine(file: Path, exported: Exported, where: torch.device, profile: Profile) -> Any:
    """The engine of an exported graph, kept beside its file or built anew, which takes minutes.

    Args:
        file: the graph.
        exported: what it must be.
        where: the GPU.
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
    kept = file.parent / engine_name(exported.what, graph, gpu, trt.__version__, profile)
    with torch.cuda.device(where):
        runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
        if kept.is_file():
            engine = runtime.deserialize_cuda_engine(kept.read_bytes())
            if engine is not None:
                return engine
            logger.warning("a kept TensorRT engine cannot be read; it is built again")
        plan = _plan(trt, graph, exported, profile)
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise ConfigError(f"{exported.what}: TensorRT cannot read the engine that it has built")
        _keep(kept, plan)
        return engine


def new_context(engine: Any) -> Any:
    """What one lane runs the engine with.

    Raises:
        ConfigError: there is no memory for it.
    """
    context = engine.create_execution_context()
    if context is None:
        raise ConfigError("TensorRT cannot make room on the GPU to run an engine; its log says why")
    return context


def run_engine(context: Any, given: Mapping[str, Tensor], made: Mapping[str, Tensor]) -> None:
    """Run an execution context into ``made``, on the current stream.

    Raises:
        RuntimeError: TensorRT failed.
    """
    for name, tensor in given.items():
        if not context.set_input_shape(name, tuple(tensor.shape)):
            raise RuntimeError(f"TensorRT does not take {name} of shape {tuple(tensor.shape)}")
    for name, tensor in (*given.items(), *made.items()):
        if not context.set_tensor_address(name, tensor.data_ptr()):
            raise RuntimeError(f"TensorRT does not take the memory of {name}")
    where = next(iter(made.values())).device
    if not context.execute_async_v3(torch.cuda.current_stream(where).cuda_stream):
        raise RuntimeError("TensorRT did not run the graph")


def _plan(trt: Any, graph: bytes, exported: Exported, profile: Profile) -> bytes:
    log = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(log)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph):
        problem = parser.get_error(0).desc() if parser.num_errors else "no reason given"
        raise ConfigError(
            f"{exported.option}: TensorRT {trt.__version__} cannot read it: {problem}"
        )
    settings = builder.create_builder_config()
    shapes = builder.create_optimization_profile()
    for name, sizes in profile.items():
        shapes.set_shape(name, *sizes)  # raises what it does not take
    plan = None
    if settings.add_optimization_profile(shapes) >= 0:
        plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise ConfigError(
            f"{exported.what}: TensorRT {trt.__version__} could not build an engine; its log says why"
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
