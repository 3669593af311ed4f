"""Where tensors are computed: streams, pinned staging, and the capture of work that is always of the same shape.

The CPU has the same interface and does nothing, so that no engine asks where it runs.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

from speech_service.config.tree import ConfigError
from speech_service.domain.errors import DeviceLostError

Body = Callable[..., Tensor]
"""Tensors of fixed shapes on the device -> a tensor of a fixed shape."""
Capture = Callable[[Body, Sequence[Tensor]], Body]
"""Prepares a body, given examples of its arguments, which it may run on. What comes out takes the same shapes."""


class Coming(Protocol):
    """A tensor on its way to the host."""

    @property
    def is_here(self) -> bool:
        """Whether :meth:`here` returns at once."""
        ...

    def here(self) -> Tensor:
        """Wait for it: on the CPU, and the caller's own."""
        ...


class Device(Protocol):
    """One lane's view of a device. Only the lane's thread uses it, once it is built."""

    @property
    def where(self) -> torch.device:
        """Where tensors live."""
        ...

    def stage(self, tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Bring a tensor here, as ``dtype`` if given; does not wait for the copy."""
        ...

    def fetch(self, tensor: Tensor) -> Coming:
        """Begin to copy a tensor to the host, behind what this thread has begun; later work does not count."""
        ...

    def adopt(self, tensor: Tensor) -> Tensor:
        """The tensor, which the thread's current stream makes, for work on this lane's stream that is begun later."""
        ...

    def beside(self) -> "Device":
        """The same device with another stream, whose work fills what this one's leaves free."""
        ...

    def stream(self) -> AbstractContextManager[object]:
        """Inside, work goes to this lane's stream."""
        ...

    def synchronize(self) -> None:
        """Wait until what this thread and this lane have begun is done."""
        ...

    def graphs(self) -> Capture:
        """Captures passes of fixed shapes, to be run on this lane's stream; on a CPU a pass stays as it is."""
        ...


class Arrived:
    """Implements :class:`Coming` for what is there."""

    is_here = True

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def here(self) -> Tensor:
        """It."""
        return self._tensor


class _Fetched:
    """Implements :class:`Coming` for a copy to pinned memory, which torch's allocator keeps until it has been made."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor.to("cpu", non_blocking=True)
        self._event = torch.cuda.Event()
        self._event.record()

    @property
    def is_here(self) -> bool:
        """Whether the copy has been made."""
        return self._event.query()

    def here(self) -> Tensor:
        """Wait for the copy alone."""
        self._event.synchronize()
        return self._tensor


class Host:
    """Implements :class:`Device` for the CPU: everything is here already."""

    where = torch.device("cpu")

    def stage(self, tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """The tensor itself, unless its type changes."""
        return tensor if dtype is None else tensor.to(dtype)

    def fetch(self, tensor: Tensor) -> Coming:
        """It is there."""
        return Arrived(tensor)

    def adopt(self, tensor: Tensor) -> Tensor:
        """The tensor itself."""
        return tensor

    def beside(self) -> "Host":
        """Itself."""
        return self

    def stream(self) -> AbstractContextManager[object]:
        """There is one only."""
        return nullcontext()

    def synchronize(self) -> None:
        """Nothing is under way."""

    def graphs(self) -> Capture:
        """A call costs little here."""
        return as_it_is


class _Streams:
    """Streams of CUDA devices, each of which belongs to one engine at a time.

    torch hands streams out from a ring of 32, so that one made later may be one that somebody has: streams are made
    here, kept, and handed on when their engine is gone. May be used from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[_Kind, list[torch.cuda.Stream]] = defaultdict(list)
        self._made: dict[_Kind, set[int]] = defaultdict(set)

    def take(self, kind: "_Kind") -> torch.cuda.Stream:
        """A stream that nobody has.

        Raises:
            ConfigError: torch has no more of them.
        """
        where, priority = kind
        with self._lock:
            if self._free[kind]:
                return self._free[kind].pop()
            stream = torch.cuda.Stream(where, priority=priority)
            if stream.cuda_stream in self._made[kind]:
                count = len(self._made[kind])
                raise ConfigError(
                    f"device: {where} runs {count} models, which is the most; unload one"
                )
            self._made[kind].add(stream.cuda_stream)
            return stream

    def give_back(self, kind: "_Kind", stream: torch.cuda.Stream) -> None:
        """The engine is gone, and whatever it had captured on the stream."""
        with self._lock:
            self._free[kind].append(stream)


_Kind = tuple[torch.device, int]
"""Where a stream is, and its priority: the lower number goes first, and each priority has a ring of its own."""
_FIRST, _BEHIND = -1, 0


_STREAMS = _Streams()
_CAPTURES = threading.RLock()
"""Held while a graph is captured: a process can capture one at a time, and a wait for the whole device breaks it."""


class Cuda:
    """Implements :class:`Device` for one GPU, with a stream of its own, which it has from its first use on."""

    def __init__(self, where: torch.device, priority: int = _FIRST) -> None:
        self.where = where
        self._kind = (where, priority)
        self._own: torch.cuda.Stream | None = None

    def stage(self, tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Copy through pinned memory, which torch's allocator keeps until the copy has been made."""
        if tensor.device == self.where:
            return tensor if dtype is None else tensor.to(dtype)
        here = tensor.pin_memory().to(self.where, non_blocking=True)
        return here if dtype is None else here.to(dtype)

    def fetch(self, tensor: Tensor) -> Coming:
        """Through pinned memory; an event says when."""
        return _Fetched(tensor)

    def adopt(self, tensor: Tensor) -> Tensor:
        """Let this stream wait for the current one, and the tensor's memory for what this stream will do with it."""
        self._stream.wait_stream(torch.cuda.current_stream(self.where))
        tensor.record_stream(self._stream)
        return tensor

    def beside(self) -> "Cuda":
        """Of two streams that both have work, the GPU takes this one's first."""
        return Cuda(self.where, _BEHIND)

    def stream(self) -> AbstractContextManager[object]:
        """The lane's stream."""
        return torch.cuda.stream(self._stream)

    def synchronize(self) -> None:
        """Wait for this thread's stream, on which models are loaded, and for the lane's; for no other lane's."""
        torch.cuda.current_stream(self.where).synchronize()
        if self._own is not None:
            self._own.synchronize()

    def graphs(self) -> Capture:
        """One memory pool for all that it captures."""
        return Graphs(self)

    @property
    def _stream(self) -> torch.cuda.Stream:
        if self._own is None:
            self._own = _STREAMS.take(self._kind)
            weakref.finalize(self, _STREAMS.give_back, self._kind, self._own).atexit = False
        return self._own


class Graphs:
    """Captures bodies as CUDA graphs: one launch instead of hundreds.

    They are warmed up, captured and replayed on the device's own stream. cuBLAS keeps a workspace for each thread and
    stream; a graph holds its address, and torch frees it with the first graph of that stream that dies. So no other
    engine captures on the stream, and a graph lives as long as any other of its object.

    All graphs share a memory pool; they run one at a time, as all work of a lane does. The largest is to be captured
    first: smaller ones then fit into its memory. What a body writes apart from its result must be in tensors that
    stay where they are.
    """

    _WARM_UPS = 2
    """Libraries allocate workspaces and choose kernels in the first runs, which a capture must not see."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()
        self._captured: list[torch.cuda.CUDAGraph] = []
        # The device, and with it the stream, is let go of behind the last graph.
        weakref.finalize(self, _reset, self._captured, device).atexit = False

    def __call__(self, body: Body, examples: Sequence[Tensor]) -> Body:
        """Capture; the result of each call is a copy that the caller may keep.

        Waits for another thread's capture. ``examples`` must be there: made on the device's stream, or waited for.
        """
        with _CAPTURES, self._device.stream():
            arguments = [each.clone() for each in examples]
            for _ in range(self._WARM_UPS):
                body(*arguments)
            torch.cuda.current_stream().synchronize()
            graph = torch.cuda.CUDAGraph()
            # Other threads may go on using the GPU meanwhile.
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                result = body(*arguments)
            finally:
                graph.capture_end()
            self._captured.append(graph)

        def replay(*given: Tensor) -> Tensor:
            with self._device.stream():
                for mine, new in zip(arguments, given, strict=True):
                    mine.copy_(new, non_blocking=True)
                graph.replay()
                return result.clone()

        return replay


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
        _choose_kernels()
        return Cuda(torch.device("cuda", where.index or 0))
    raise ConfigError(f"device: {name!r} is not supported; use cpu or cuda")


def _choose_kernels() -> None:
    """Set, for the process, what torch would choose otherwise.

    On Hopper torch asks cuDNN for attention first, which plans anew, for tenths of a second, for each shape and thread
    that it has not seen; here the shape changes with every token. TF32 would make float32 something else than it says.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def as_it_is(body: Body, examples: Sequence[Tensor]) -> Body:
    """No capture: the body itself."""
    del examples
    return body


def _reset(captured: Sequence[torch.cuda.CUDAGraph], device: Device) -> None:
    del device
    for graph in captured:
        graph.reset()


@contextmanager
def watching_device() -> Generator[None]:
    """Inside, an error that leaves the device without use for this process comes out as DeviceLostError."""
    try:
        yield
    except RuntimeError as error:
        raise_if_lost(error)
        raise


def raise_if_lost(error: RuntimeError) -> None:
    """Tell an error that one item may be at fault for from the last one that the device gave.

    An illegal address, an assertion in a kernel and a fault of the hardware are sticky: every later call of CUDA in
    the process fails with them, as waiting for the device does. Running out of memory is not, nor is a bad shape.

    Args:
        error: what was raised while the device, the current one of this thread, computed.

    Raises:
        DeviceLostError: nothing can be computed on it any more.
    """
    if isinstance(error, torch.OutOfMemoryError) or not torch.cuda.is_initialized():
        return
    with _CAPTURES:
        try:
            torch.cuda.synchronize()
        except RuntimeError as sticky:
            raise DeviceLostError(str(sticky).splitlines()[0]) from error
