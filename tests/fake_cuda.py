"""CUDA as far as streams and graphs go, acted on a CPU: what a real one would refuse or spoil, this one does too.

``FakeCuda.install`` takes the place of the parts of ``torch.cuda`` that the engines call. A capture runs the body,
writes down every ATen call of this thread, and puts back what the run has changed; a replay repeats those calls on
those tensors, and Python is not run again. Everything that a capture or a replay has made is overwritten before the
next, as another graph of the pool may do. A graph that outlives its cuBLAS workspace, two captures at a time, and a
wait for the device beside a capture are errors. Which device a tensor is on cannot be seen here.
"""

import math
import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

RING = 32
"""Streams of one priority; torch hands them out again from the first on."""
_WAITS = {
    getattr(Tensor, name): name
    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__")
}
_FROM_HOST = {torch.tensor, torch.as_tensor, torch.from_numpy}
_OF_UNKNOWN_SHAPE = (
    "aten.nonzero",
    "aten.masked_select",
    "aten._local_scalar_dense",
    "aten._unique",
)


class Patch(Protocol):
    """Of pytest's ``MonkeyPatch``, what is needed; the GPU benchmark's rehearsal has no pytest."""

    def setattr(self, target: Any, name: str, value: Any, /) -> None:
        """Put the value in the place of an attribute."""
        ...


class Order(Protocol):
    """Watches what orders the calls of streams (``tests/fake_streams.py``)."""

    def mark(self, stream: int) -> dict[int, int]:
        """What is done when the stream has come to where it is now."""
        ...

    def wait(self, stream: int, clock: dict[int, int]) -> None:
        """A stream goes on behind it."""
        ...

    def wait_on_host(self, clock: dict[int, int]) -> None:
        """The host does."""
        ...

    def record(self, tensor: Tensor, stream: int) -> None:
        """The tensor's memory is not used again before the stream is done with it."""
        ...


class CaptureError(RuntimeError):
    """What a GPU would refuse."""


class FakeStream:
    """A stream, by its handle; 0 is the default one."""

    def __init__(self, cuda: "FakeCuda", handle: int) -> None:
        self.cuda_stream = handle
        self._cuda = cuda

    def synchronize(self) -> None:
        """Nothing is under way; on a stream that captures it is an error."""
        self._cuda.note("wait for stream", self.cuda_stream)
        if self._cuda.capturing == self.cuda_stream:
            raise CaptureError("a stream that captures cannot be waited for")
        if self._cuda.order is not None:
            self._cuda.order.wait_on_host(self._cuda.order.mark(self.cuda_stream))

    def wait_stream(self, other: "FakeStream") -> None:
        """What this one is given from now on comes behind what the other was given."""
        self._cuda.note(f"behind {other.cuda_stream}", self.cuda_stream)
        if self._cuda.order is not None:
            self._cuda.order.wait(self.cuda_stream, self._cuda.order.mark(other.cuda_stream))


class FakeEvent:
    """A place in a stream."""

    def __init__(self, cuda: "FakeCuda") -> None:
        self._cuda = cuda
        self._stream = 0
        self._clock: dict[int, int] = {}
        self._is_done = False

    def record(self, stream: FakeStream | None = None) -> None:
        """Stand where a stream is, the current one if none is named."""
        self._stream = self._cuda.current if stream is None else stream.cuda_stream
        if self._cuda.order is not None:
            self._clock = self._cuda.order.mark(self._stream)

    def query(self) -> bool:
        """Whether the stream has come here; nobody knows before somebody has waited."""
        return self._is_done

    def synchronize(self) -> None:
        """Wait."""
        self._cuda.note("wait for event", self._stream)
        self._is_done = True
        if self._cuda.order is not None:
            self._cuda.order.wait_on_host(self._clock)


class FakeGraph:
    """A list of calls."""

    def __init__(self, cuda: "FakeCuda") -> None:
        self._cuda = cuda
        self._recorder: _Recorder | None = None
        self._guard: _NoWaits | None = None
        self.stream = self.pool = 0
        self.is_dead = False

    def capture_begin(self, pool: int, capture_error_mode: str) -> None:
        """Write down what follows."""
        assert capture_error_mode == "thread_local", "other threads go on using the GPU"
        self.pool = pool
        self.stream = self._cuda.begin_capture(self)
        self._recorder, self._guard = _Recorder(), _NoWaits()
        self._guard.__enter__()
        self._recorder.__enter__()

    def capture_end(self) -> None:
        """Put back what the run has changed."""
        assert self._recorder is not None
        assert self._guard is not None
        self._recorder.__exit__(None, None, None)
        self._guard.__exit__(None, None, None)
        self._recorder.put_back()
        self._cuda.end_capture()
        self.poison()

    def replay(self) -> None:
        """Repeat the calls. The caller copies the result at once: by then another graph may be run."""
        self._cuda.begin_replay(self)
        assert self._recorder is not None
        self._recorder.replay()

    def poison(self) -> None:
        """Another graph of the pool has used the memory."""
        if self._recorder is not None:
            self._cuda.is_spoiling = True
            self._recorder.poison()
            self._cuda.is_spoiling = False

    def reset(self) -> None:
        """What torch does when a graph dies: the workspaces of its stream are freed, whoever uses them."""
        if not self.is_dead:
            self.is_dead = True
            self._cuda.forget_workspaces(self.stream)


class FakeCuda:
    """The device. ``journal`` holds what was done, on which stream, by which thread."""

    def __init__(self) -> None:
        self.journal: list[tuple[str, int, int]] = []
        self.capturing: int | None = None
        self.error: RuntimeError | None = None
        """Sticky: what every wait for the device raises."""
        self._current = threading.local()
        self._made = self._pools = 0
        self.order: Order | None = None
        self.is_spoiling = False
        """Numbers are overwritten that no call of the program overwrites."""
        self._last: dict[int, weakref.ref[FakeGraph]] = {}
        """The graph of each pool that was run last: what it made is spoilt by whatever comes next there."""
        self._workspaces: dict[int, set[int]] = {}
        """By stream: graphs whose workspace there is still alive."""

    def install(self, patch: Patch) -> "FakeCuda":
        """Take the place of torch's."""
        patch.setattr(torch.cuda, "Stream", lambda where, priority=0: self._new_stream())
        patch.setattr(torch.cuda, "current_stream", lambda where=None: self._stream())
        patch.setattr(torch.cuda, "stream", self._using)
        patch.setattr(torch.cuda, "synchronize", lambda where=None: self._synchronize())
        patch.setattr(torch.cuda, "is_initialized", lambda: True)
        patch.setattr(torch.cuda, "graph_pool_handle", self._new_pool)
        patch.setattr(torch.cuda, "CUDAGraph", lambda: FakeGraph(self))
        patch.setattr(torch.cuda, "Event", lambda: FakeEvent(self))
        patch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
        patch.setattr(Tensor, "record_stream", lambda tensor, stream: self._record(tensor, stream))
        return self

    def note(self, what: str, stream: int) -> None:
        """Write into the journal."""
        self.journal.append((what, stream, threading.get_ident()))

    def streams(self, what: str) -> set[int]:
        """On which streams that was done."""
        return {stream for done, stream, _ in self.journal if done == what}

    def begin_capture(self, graph: FakeGraph) -> int:
        """Returns the stream that captures."""
        if self.capturing is not None:
            raise CaptureError("a process captures one graph at a time")
        stream = self._stream().cuda_stream
        if not stream:
            raise CaptureError("the default stream cannot capture")
        self.capturing = stream
        self._spoil_last(graph.pool)
        self._workspaces.setdefault(stream, set()).add(id(graph))
        self.note("capture", stream)
        return stream

    def end_capture(self) -> None:
        """Another may begin."""
        self.capturing = None

    def begin_replay(self, graph: FakeGraph) -> None:
        """Look at what the graph needs."""
        self.note("replay", self._stream().cuda_stream)
        if graph.is_dead or id(graph) not in self._workspaces[graph.stream]:
            raise CaptureError("an illegal address: the graph's workspace is freed")
        self._spoil_last(graph.pool)
        self._last[graph.pool] = weakref.ref(graph)

    def forget_workspaces(self, stream: int) -> None:
        """Every graph of the stream loses its own."""
        self._workspaces[stream] = set()

    @property
    def current(self) -> int:
        """This thread's stream."""
        return self._stream().cuda_stream

    def _spoil_last(self, pool: int) -> None:
        last = self._last.get(pool, lambda: None)()
        if last is not None:
            last.poison()

    def _record(self, tensor: Tensor, stream: FakeStream) -> None:
        if self.order is not None:
            self.order.record(tensor, stream.cuda_stream)

    def _new_pool(self) -> int:
        self._pools += 1
        return self._pools

    def _new_stream(self) -> FakeStream:
        self._made += 1
        return FakeStream(self, 1 + (self._made - 1) % RING)

    def _stream(self) -> FakeStream:
        return getattr(self._current, "stream", None) or FakeStream(self, 0)

    @contextmanager
    def _using(self, stream: FakeStream) -> Generator[None]:
        before, self._current.stream = self._stream(), stream
        try:
            yield
        finally:
            self._current.stream = before

    def _synchronize(self) -> None:
        self.note("wait for device", 0)
        if self.capturing is not None:
            raise CaptureError("a wait for the device breaks a capture")
        if self.error is not None:
            raise self.error


class _NoWaits(TorchFunctionMode):
    """Refuses what makes the host wait for a GPU, or copies from memory that is not pinned."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = _WAITS.get(func, func.__name__ if func in _FROM_HOST else "")
        if name:
            raise CaptureError(f"{name} waits for the device: not in a capture")
        return func(*args, **(kwargs or {}))


class _Recorder(TorchDispatchMode):
    """Writes down what is called."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self._made: dict[int, Tensor] = {}
        """Storages that the capture has made, a tensor of each."""
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if str(func).startswith(_OF_UNKNOWN_SHAPE):
            raise CaptureError(f"{func}: what comes out depends on data")
        if str(func).startswith("aten.index.") and any(
            x.dtype is torch.bool for x in _tensors(args[1])
        ):
            raise CaptureError("a mask as index: what comes out depends on data")
        changed = _changed(func, args, kwargs)
        for tensor in changed:
            self._remember(tensor)
        out = func(*args, **kwargs)
        known = {_storage(each) for each in _tensors((args, kwargs))}
        fresh = [each for each in _tensors(out) if _storage(each) not in known]
        for each in fresh:
            self._made.setdefault(_storage(each), each)
        if fresh or changed:
            self._calls.append((func, args, kwargs, _tensors(out) if fresh else []))
        return out

    def replay(self) -> None:
        """Repeat the calls on the tensors of the capture."""
        for func, args, kwargs, made in self._calls:
            out = func(*args, **kwargs)
            for old, new in zip(made, _tensors(out), strict=bool(made)):
                if _storage(old) != _storage(new):
                    old.copy_(new)

    def put_back(self) -> None:
        """A real capture computes nothing."""
        for now, before in self._before.values():
            now.copy_(before)

    def poison(self) -> None:
        """Another graph of the pool uses the memory."""
        for tensor in self._made.values():
            whole = _whole(tensor)
            is_number = whole.dtype.is_floating_point
            whole.fill_(math.nan if is_number else 85 if whole.dtype is not torch.bool else 1)

    def _remember(self, tensor: Tensor) -> None:
        key = _storage(tensor)
        if key not in self._made and key not in self._before:
            self._before[key] = (_whole(tensor), _whole(tensor).clone())


def _changed(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """Arguments that the call writes to."""
    found: list[Tensor] = []
    for place, parameter in enumerate(func._schema.arguments):
        if parameter.alias_info is not None and parameter.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(parameter.name)
            found += _tensors(value)
    return found


def _tensors(tree: Any) -> list[Tensor]:
    return [each for each in tree_flatten(tree)[0] if isinstance(each, Tensor)]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _whole(tensor: Tensor) -> Tensor:
    """All of a tensor's storage, flat."""
    size = tensor.untyped_storage().nbytes() // tensor.element_size()
    return tensor.as_strided((size,), (1,), 0)
