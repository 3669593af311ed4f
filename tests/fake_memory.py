"""Which memory a tensor lies in, acted on a CPU: tensors say that they are on a GPU, and whoever waits is counted.

Inside :class:`FakeMemory` a tensor that is made for ``cuda`` is an :class:`OnDevice`, whose numbers lie in main memory.
What reads its numbers on the host waits for the device; so does a copy from or to memory that is not pinned. A copy to
pinned memory has come when somebody has waited behind it, and until then that memory holds something else. Tensors of
both kinds in one operation, copies and waits while a graph is captured are errors, as on a GPU.
"""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map_only

from tests.fake_cuda import CaptureError, FakeCuda, Patch

WHERE = torch.device("cuda", 0)
_READS = {
    "item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__", "__array__", "__repr__", "__format__",
    "equal", "allclose", "nonzero", "argwhere", "masked_select", "unique", "is_nonzero", "bincount", "__contains__",
}  # fmt: skip
_FROM_DATA = {"tensor", "as_tensor", "asarray", "new_tensor"}
_COPIES = {"copy_", "to", "cpu", "cuda"}
_GETTERS: dict[Any, Any] = {
    Tensor.device.__get__: WHERE,
    cast(Any, Tensor.is_cuda).__get__: True,
    cast(Any, Tensor.is_cpu).__get__: False,
}


class OnDevice(Tensor):
    """A tensor of the acted device."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # pyright: ignore[reportAssignmentType]


class MemoryEvent:
    """An event: who waits for it has what was copied before it was recorded."""

    def __init__(self, memory: "FakeMemory", **flags: bool) -> None:
        del flags
        self._memory = memory
        self._stream = self._place = 0

    def record(self, stream: object = None) -> None:
        """Stand behind what was begun so far."""
        del stream
        self._stream, self._place = self._memory.pass_by()

    def synchronize(self) -> None:
        """Wait, if nobody has waited for this or for something behind it."""
        if not self.query():
            self._memory.wait("event")
            self._memory.arrive(self._stream, self._place)

    def query(self) -> bool:
        """Whether somebody has waited behind it."""
        return self._place <= self._memory.arrived[self._stream]


class FakeMemory(TorchFunctionMode):
    """Everything that this thread does inside is looked at."""

    def __init__(self, cuda: FakeCuda) -> None:
        super().__init__()
        self._cuda = cuda
        self.waits: Counter[str] = Counter()
        """How often the host has waited, by what for."""
        self.copies: Counter[str] = Counter()
        """Copies "to host" and "to device"; an argument of a kernel is none."""
        self.arrived = Counter[int]()
        """By stream: up to where somebody has waited."""
        self._begun = 0
        self._coming: list[tuple[int, int, Tensor, Tensor]] = []
        self._pinned: dict[int, Any] = {}

    def install(self, patch: Patch) -> "FakeMemory":
        """Take the place of what torch would wait with."""
        patch.setattr(torch.cuda, "Event", lambda **flags: MemoryEvent(self, **flags))
        patch.setattr(Tensor, "pin_memory", lambda tensor: self._pin(tensor))
        self._cuda.on_wait = self._waited
        return self

    def reset(self) -> None:
        """Count anew."""
        self.waits.clear()
        self.copies.clear()

    def wait(self, what: str) -> None:
        """Count a wait."""
        if self._cuda.capturing is not None:
            raise CaptureError(f"{what} waits for the device: not in a capture")
        self.waits[what] += 1

    def pass_by(self) -> tuple[int, int]:
        """Count what is begun, copies to pinned memory and events: the stream that it is on, and its place."""
        self._begun += 1
        return self._cuda.current, self._begun

    def arrive(self, stream: int, place: int) -> None:
        """Let copies to pinned memory be there, up to a place in a stream."""
        self.arrived[stream] = max(self.arrived[stream], place)
        coming, self._coming = self._coming, []
        with torch._C.DisableTorchFunction(), torch.inference_mode():
            for each in coming:
                on, number, target, numbers = each
                if on == stream and number <= place:
                    target.copy_(numbers)
                else:
                    self._coming.append(each)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Act one call."""
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", str(func))
        if name == "__get__":
            acted = _GETTERS.get(func)
            is_there = isinstance(args[0], OnDevice)
            return acted if is_there and acted is not None else _on_if(is_there, func(*args))
        if (
            name == "_has_compatible_shallow_copy_type"
        ):  # a module asks so whether it can be moved in place
            return isinstance(args[0], OnDevice) == isinstance(args[1], OnDevice)
        if name == "_parse_to":  # of a module: no tensor is touched yet
            return func(*args, **kwargs)
        if name in _COPIES:
            return self._copy(name, func, args, kwargs)
        return self._compute(name, func, args, kwargs)

    def _compute(self, name: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Tensor)]
        is_acted = any(isinstance(each, OnDevice) for each in given)
        is_made_there = _is_acted(kwargs.get("device"))
        if is_made_there:
            kwargs["device"] = "cpu"
        if name in _FROM_DATA and (is_made_there or isinstance(given and args[0], OnDevice)):
            self._count_copy("to device", f"{name} of the host's data")
        if is_acted:
            self._look(name, args, given)
        if name in _READS and is_acted:
            self.wait(name)
            self._count_copy("to host")
            return _off(func(*args, **kwargs))
        pins = kwargs.pop("pin_memory", False)
        out = func(*args, **kwargs)
        if pins:
            self._keep_pinned(out)
        return _on_if(is_acted or is_made_there, out)

    def _look(self, name: str, args: Any, given: Iterable[Tensor]) -> None:
        """Refuse what a GPU would; count what hides a copy or a wait."""
        if name in ("__getitem__", "__setitem__", "index_put_", "index_put"):
            self._look_at_index(args[1])
            if len(args) > 2 and _is_numbers(args[2]):
                self._count_copy("to device", "a value of the host's")
            return
        if name == "repeat_interleave" and isinstance(args[1], Tensor):
            self.wait(name)
        if any(_is_numbers(each) for each in given):
            raise CaptureError(f"{name}: tensors of the device and of the host")

    def _look_at_index(self, index: Any) -> None:
        for each in index if isinstance(index, tuple) else (index,):
            if isinstance(each, list) or _is_numbers(each):
                self._count_copy("to device", "an index of the host's")
            elif isinstance(each, OnDevice) and each.dtype is torch.bool:
                self.wait("a mask as index")

    def _copy(self, name: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """``copy_`` and ``to``, each way."""
        if name == "copy_":
            target, source = args[:2]
            is_free = bool(kwargs.get("non_blocking", args[2] if len(args) > 2 else False))
            return self._copied(func, args, kwargs, source, target, is_free)
        source, where, rest = args[0], _target(name, args[1:], kwargs), _without_device(args[1:])
        kwargs.pop("device", None)
        is_free = bool(kwargs.get("non_blocking", False))
        is_acted = isinstance(source, OnDevice)
        goes_there = is_acted if where is None else _is_acted(where)
        made = source.to(*rest, **kwargs) if rest or kwargs else source
        if goes_there == is_acted:
            return _on(made) if is_acted else made
        if goes_there:
            is_pinned = self._is_pinned(source)
            self._count_copy("to device", "" if is_free and is_pinned else "not pinned")
            return _on(made.clone())
        here = _off(made.clone())
        if is_free:
            self._keep_pinned(here)
            self._begin(here, made)
        else:
            self._count_copy("to host", name)
        return here

    def _copied(
        self, func: Any, args: Any, kwargs: Any, source: Any, target: Tensor, is_free: bool
    ) -> Tensor:
        if isinstance(target, OnDevice) and _is_numbers(source):
            is_quick = is_free and self._is_pinned(source)
            self._count_copy("to device", "" if is_quick else "not pinned")
        elif isinstance(source, OnDevice) and not isinstance(target, OnDevice):
            if is_free and self._is_pinned(target):
                return self._begin(target, source)
            self._count_copy("to host", "not pinned")
        return func(*args, **kwargs)

    def _begin(self, target: Tensor, source: Tensor) -> Tensor:
        """Copy to pinned memory: it comes later."""
        self._count_copy("to host")
        self._coming.append((*self.pass_by(), target, source.clone()))
        return target.fill_(math.nan if target.dtype.is_floating_point else 85)

    def _count_copy(self, way: str, waits_for: str = "") -> None:
        if self._cuda.capturing is not None:
            raise CaptureError(f"a copy {way}: not in a capture")
        self.copies[way] += 1
        if waits_for:
            self.wait(waits_for)

    def _waited(self, stream: int) -> None:
        self.waits["stream"] += 1
        self.arrive(stream, self._begun)

    def _pin(self, tensor: Tensor) -> Tensor:
        assert not isinstance(tensor, OnDevice), "only main memory can be pinned"
        return self._keep_pinned(tensor.clone())

    def _keep_pinned(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        self._pinned[storage._cdata] = storage
        return tensor

    def _is_pinned(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._pinned


def _is_numbers(value: Any) -> bool:
    """Whether it is a tensor of the host's that is no single number, which would be a kernel's argument."""
    return isinstance(value, Tensor) and not isinstance(value, OnDevice) and value.dim() > 0


def _is_acted(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def _target(name: str, given: Any, kwargs: Any) -> Any:
    """The device that a tensor is to go to; None: where it is."""
    if name in ("cpu", "cuda"):
        return name
    for each in (*given, kwargs.get("device"), kwargs.get("other")):
        if isinstance(each, Tensor):
            return WHERE if isinstance(each, OnDevice) else "cpu"
        if isinstance(each, (str, torch.device)):
            return each
    return None


def _without_device(given: Any) -> list[Any]:
    rest: list[Any] = []
    for each in given:
        if isinstance(each, Tensor):
            rest.append(each.dtype)
        elif each is not None and not isinstance(each, (str, torch.device)):
            rest.append(each)
    return rest


def _on(tree: Any) -> Any:
    return tree_map_only(
        Tensor,
        lambda each: each if isinstance(each, OnDevice) else each.as_subclass(OnDevice),
        tree,
    )


def _on_if(is_there: bool, tree: Any) -> Any:
    return _on(tree) if is_there else tree


def _off(tree: Any) -> Any:
    return tree_map_only(Tensor, lambda each: each.as_subclass(Tensor), tree)
