"""Where tensors are computed: streams, pinned staging, and the capture of work that is always of the same shape.

The CPU has the same interface and does nothing, so that no engine asks where it runs.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

from speech_service.config.tree import ConfigError

Body = Callable[..., Tensor]
"""Tensors of fixed shapes on the device -> a tensor of a fixed shape."""
Capture = Callable[[Body, Sequence[Tensor]], Body]
"""Prepares a body, given examples of its arguments, which it may run on. What comes out takes the same shapes."""


class Device(Protocol):
    """One lane's view of a device. Only the lane's thread uses it, once it is built."""

    @property
    def where(self) -> torch.device:
        """Where tensors live."""
        ...

    def stage(self, tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Bring a tensor of the host here, as ``dtype`` if given; does not wait for the copy."""
        ...

    def stream(self) -> AbstractContextManager[object]:
        """Inside, work goes to this lane's stream."""
        ...

    def synchronize(self) -> None:
        """Wait until everything is done."""
        ...


class Host:
    """Implements :class:`Device` for the CPU: everything is here already."""

    where = torch.device("cpu")

    def stage(self, tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """The tensor itself, unless its type changes."""
        return tensor if dtype is None else tensor.to(dtype)

    def stream(self) -> AbstractContextManager[object]:
        """There is one only."""
        return nullcontext()

    def synchronize(self) -> None:
        """Nothing is under way."""


class Cuda:
    """Implements :class:`Device` for one GPU, with a stream of its own."""

    def __init__(self, where: torch.device) -> None:
        self.where = where
        self._stream = torch.cuda.Stream(where)

    def stage(self, tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Copy through pinned memory. torch's allocator keeps that until the copy has been made."""
        here = tensor.pin_memory().to(self.where, non_blocking=True)
        return here if dtype is None else here.to(dtype)

    def stream(self) -> AbstractContextManager[object]:
        """The lane's stream."""
        return torch.cuda.stream(self._stream)

    def synchronize(self) -> None:
        """Wait for all streams: models are loaded on another than they run on."""
        torch.cuda.synchronize(self.where)


HOST = Host()


def open_device(name: str) -> Device:
    """The device of an option ("cpu", "cuda", "cuda:1").

    Raises:
        ConfigError: it is not there, or is of another kind.
    """
    try:
        where = torch.device(name)
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"device: {name!r} cannot be used here: {why}") from error
    if where.type == "cpu":
        return HOST
    if where.type == "cuda":
        return Cuda(torch.device("cuda", where.index or 0))
    raise ConfigError(f"device: {name!r} is not supported; use cpu or cuda")


def as_it_is(body: Body, examples: Sequence[Tensor]) -> Body:
    """No capture: the body itself."""
    del examples
    return body


class Graphs:
    """Captures bodies as CUDA graphs: one launch instead of hundreds.

    All graphs share a memory pool; they run one at a time, as all work of a lane does. What a body writes apart from
    its result must be in tensors that stay where they are.
    """

    _WARM_UPS = 2
    """Libraries allocate workspaces and choose kernels in the first runs, which a capture must not see."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, body: Body, examples: Sequence[Tensor]) -> Body:
        """Capture; the result of each call is a copy that the caller may keep."""
        arguments = [each.clone() for each in examples]
        current, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            for _ in range(self._WARM_UPS):
                body(*arguments)
        current.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on using the GPU meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            result = body(*arguments)

        def replay(*given: Tensor) -> Tensor:
            for mine, new in zip(arguments, given, strict=True):
                mine.copy_(new, non_blocking=True)
            graph.replay()
            return result.clone()

        return replay
