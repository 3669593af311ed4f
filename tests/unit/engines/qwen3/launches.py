"""Counts the kernels that a pass would launch on a GPU, on tensors of the meta device: shapes without numbers."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from speech_service.engines.qwen3.codec.kernels import PLAIN as CODEC_PLAIN
from speech_service.engines.qwen3.codec.kernels import CodecKernels
from speech_service.engines.qwen3.nn.kernels import PLAIN, Kernels

META = torch.device("meta")

_NOTHING = {
    "aten.empty.memory_format",
    "aten.empty_like.default",
    "aten.empty_strided.default",
    "aten.new_empty.default",
    "aten.detach.default",
    "aten.alias.default",
    "aten.lift_fresh.default",
}
_MAYBE_COPIES = {
    "aten.reshape.default",
    "aten.contiguous.default",
    "aten.flatten.using_ints",
    "aten.to.dtype",
    "aten.to.device",
    "aten.to.dtype_layout",
}
_SEVERAL = {"aten.topk.default": 4, "aten.sort.default": 4, "aten.sort.stable": 4}
_ATTENTION = "aten.scaled_dot_product_attention.default"
_FLASH = "aten._flash_attention_forward.default"
_GATHERS = {"aten.embedding.default", "aten.index.Tensor", "aten.index_select.default"}


class Launches(TorchDispatchMode):
    """Kernels by the name of their operation, and the bytes that they read and write.

    An attention call is one kernel; its mask, if it is given one, is turned into numbers by two more. A norm copies
    what does not lie in one piece. What is one kernel on a GPU and several operations here is counted by :meth:`one`.
    """

    counting: "Launches | None" = None
    """The one that is entered."""

    def __init__(self, held: int = 0) -> None:
        """Count; ``held`` is how many tokens each row's sequence holds."""
        super().__init__()
        self._held = held
        self.by_name: Counter[str] = Counter()
        self.total_bytes = 0
        self._is_inside = False

    @property
    def total(self) -> int:
        """All kernels."""
        return sum(self.by_name.values())

    def __enter__(self) -> "Launches":
        """Begin to count."""
        Launches.counting = self
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        """Stop."""
        Launches.counting = None
        super().__exit__(*exception)

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """What is called inside is one kernel."""
        self.by_name[name] += 1
        before, self._is_inside = self._is_inside, True
        yield
        self._is_inside = before

    def touch(self, tensors: list[Tensor]) -> None:
        """Count what a kernel reads or writes."""
        self.total_bytes += sum(_bytes(each) for each in tensors)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do it, and count it."""
        out = func(*args, **(kwargs or {}))
        if not self._is_inside:
            given = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
            made = [x for x in tree_flatten(out)[0] if isinstance(x, Tensor)]
            self._count(func, given, made)
        return out

    def _count(self, func: Any, given: list[Tensor], made: list[Tensor]) -> None:
        name = str(func)
        if name in _NOTHING or not any(x.is_meta for x in given + made):
            return
        if _same_memory(given, made) if name in _MAYBE_COPIES else _is_view(func):
            return
        self.by_name[name] += _SEVERAL.get(name, 1)
        if name == _ATTENTION and len(given) > 3:
            self.by_name["mask"] += 2
        if name == "aten.rms_norm.default" and not given[0].is_contiguous():
            self.by_name["copy"] += 1
        touched = [*made, *made] if name in _GATHERS else [*given, *made]
        if (
            name == _FLASH
        ):  # query, keys, values, and where each row's new tokens and old ones begin
            rows, token = given[3].shape[0] - 1, _bytes(given[1][:1]) + _bytes(given[2][:1])
            self.total_bytes += rows * self._held * token
            touched = [given[0], given[0]]
        self.total_bytes += sum(_bytes(x) for x in touched)


def as_one(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, counted as one kernel that reads what it is given and writes what it returns."""

    def counted(*args: Any) -> Any:
        seen = Launches.counting
        if seen is None:
            return function(*args)
        with seen.one(name):
            found = function(*args)
        seen.touch([x for x in tree_flatten((args, found))[0] if isinstance(x, Tensor)])
        return found

    return counted


def _kept(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same where caches are written: only the new tokens' places are touched, which are as large as what is new."""

    def counted(*args: Any) -> Any:
        seen = Launches.counting
        if seen is None:
            return function(*args)
        with seen.one(name):
            found = function(*args)
        new = args[0] if isinstance(args[0], Tensor) else args[0].values
        seen.touch([new, new, found])
        return found

    return counted


COUNTED = Kernels(
    **{
        each.name: (_kept if each.name in ("turn_and_keep", "attend_short") else as_one)(
            each.name, getattr(PLAIN, each.name)
        )
        for each in fields(Kernels)
    }
)
"""A GPU's kernels, each of which launches once; ``test_triton_kernels.py`` holds them to it."""

CODEC_COUNTED = CodecKernels(
    **{
        each.name: as_one(each.name, getattr(CODEC_PLAIN, each.name))
        for each in fields(CodecKernels)
    }
)
"""The same of the codec's."""


def _is_view(func: Any) -> bool:
    returned = func._schema.returns
    return bool(returned) and all(
        each.alias_info is not None and not each.alias_info.is_write for each in returned
    )


def _same_memory(given: list[Tensor], made: list[Tensor]) -> bool:
    return made[0].untyped_storage()._cdata == given[0].untyped_storage()._cdata


def _bytes(tensor: Tensor) -> int:
    """What lies in memory: a dimension that is repeated counts once."""
    numbers = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        numbers *= size if stride else 1
    return numbers * tensor.element_size()
