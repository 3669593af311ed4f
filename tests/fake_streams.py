"""Whether what streams do to the same memory is ordered: the happens-before relation, acted on a CPU.

Inside :class:`StreamOrder` every ATen call is noted with the stream of :class:`FakeCuda` that it is on. A stream knows
of another what it has waited for, and what the host had waited for when it was given the call. A call that reads what
another stream writes, or writes what another reads, without knowing of it is an error, as is memory that goes back to
its stream while another stream may use it (``Tensor.record_stream`` says that one does). Vector clocks as in Lamport
(1978) and Mattern (1989).
"""

from collections import defaultdict
from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from tests.fake_cuda import FakeCuda

Clock = dict[int, int]
"""By stream: how many of its calls are known to be done."""


class RaceError(AssertionError):
    """Two streams are at the same memory, and nothing says which comes first."""


class StreamOrder(TorchDispatchMode):
    """Implements ``fake_cuda.Order``: watches this thread's calls."""

    def __init__(self, cuda: FakeCuda) -> None:
        super().__init__()
        self._cuda = cuda
        cuda.order = self
        self._known: dict[int, Clock] = defaultdict(dict)
        self._host: Clock = {}
        self._writes: dict[int, tuple[int, int]] = {}
        self._reads: dict[int, Clock] = defaultdict(dict)
        self._made_on: dict[int, int] = {}
        self._memory: dict[int, StorageWeakRef] = {}
        """Whatever was seen; while it is kept here, no other memory has its key."""
        self._lent: dict[tuple[int, int], tuple[int, str]] = {}
        """By memory and the other stream that uses it: the last use."""
        self._recorded: set[tuple[int, int]] = set()
        self.crossings = 0
        """Calls that read what another stream has written."""

    # --- what orders calls ---

    def mark(self, stream: int) -> Clock:
        """What is done when the stream has come to where it is now."""
        return {**self._known[stream], stream: self._known[stream].get(stream, 0)}

    def wait(self, stream: int, clock: Clock) -> None:
        """A stream goes on behind it."""
        _join(self._known[stream], clock)

    def wait_on_host(self, clock: Clock) -> None:
        """The host does; whatever it begins from now on comes behind."""
        _join(self._host, clock)

    def record(self, tensor: Tensor, stream: int) -> None:
        """The tensor's memory is not used again before the stream is done with it."""
        self._recorded.add((_storage(tensor), stream))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if self._cuda.capturing is None and not self._cuda.is_spoiling and not _is_view(func):
            self._note(str(func), func, args, kwargs or {}, out)
        return out

    def _note(self, name: str, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        stream = self._cuda.current
        known = self._known[stream]
        _join(known, self._host)
        known[stream] = tick = known.get(stream, 0) + 1
        given, made = _tensors((args, kwargs)), _tensors(out)
        changed = {_storage(each) for each in _changed(func, args, kwargs)}
        inputs = {_storage(each): each for each in given}
        for key, tensor in inputs.items():
            self._use(name, key, tensor, stream, tick, is_write=key in changed)
        for tensor in made:
            key = _storage(tensor)
            if key not in inputs:
                self._memory[key] = StorageWeakRef(tensor.untyped_storage())
                self._writes[key], self._made_on[key] = (stream, tick), stream
        self.look_for_lost()

    def _use(
        self, name: str, key: int, tensor: Tensor, stream: int, tick: int, *, is_write: bool
    ) -> None:
        known = self._known[stream]
        if key not in self._memory:
            self._memory[key] = StorageWeakRef(tensor.untyped_storage())
        writer, written = self._writes.get(key, (stream, 0))
        if known.get(writer, 0) < written:
            raise RaceError(f"{name} on stream {stream}: stream {writer} may still write that")
        self.crossings += writer not in (stream, 0)
        if is_write:
            for reader, read in self._reads[key].items():
                if known.get(reader, 0) < read:
                    raise RaceError(f"{name} on stream {stream}: stream {reader} may still read it")
            self._writes[key] = (stream, tick)
            self._reads[key].clear()
        else:
            self._reads[key][stream] = tick
        if self._made_on.get(key, stream) not in (stream, 0):
            self._lent[key, stream] = (tick, name)

    def look_for_lost(self) -> None:
        """Raise where memory went back to its stream while another was using it."""
        for (key, stream), (tick, name) in list(self._lent.items()):
            if not self._memory[key].expired():
                continue
            del self._lent[key, stream]
            if (key, stream) not in self._recorded and self._host.get(stream, 0) < tick:
                raise RaceError(f"memory is let go of while stream {stream} may use it: {name}")


def _join(clock: Clock, other: Clock) -> None:
    for stream, tick in other.items():
        clock[stream] = max(clock.get(stream, 0), tick)


def _is_view(func: Any) -> bool:
    """Whether no kernel runs."""
    returned = func._schema.returns
    return bool(returned) and all(
        each.alias_info is not None and not each.alias_info.is_write for each in returned
    )


def _changed(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    found: list[Tensor] = []
    for place, parameter in enumerate(func._schema.arguments):
        if parameter.alias_info is not None and parameter.alias_info.is_write:
            found += _tensors(args[place] if place < len(args) else kwargs.get(parameter.name))
    return found


def _tensors(tree: Any) -> list[Tensor]:
    return [each for each in tree_flatten(tree)[0] if isinstance(each, Tensor)]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
