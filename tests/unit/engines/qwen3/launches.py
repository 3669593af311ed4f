"""Counts the kernels that a pass would launch on a GPU, on tensors of the meta device: shapes without numbers."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

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
_GATHERS = {"aten.embedding.default", "aten.index.Tensor", "aten.index_select.default"}


class Launches(TorchDispatchMode):
    """Kernels by the name of their operation, and the bytes that they read and write.

    An attention call is one kernel; its mask, if it is given one, is turned into numbers by two more. A norm copies
    what does not lie in one piece. What is one kernel on a GPU and several operations here is counted by :meth:`one`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_name: Counter[str] = Counter()
        self.total_bytes = 0
        self._is_inside = False

    @property
    def total(self) -> int:
        """All kernels."""
        return sum(self.by_name.values())

    @contextmanager
    def one(self, name: str, *touched: Tensor) -> Iterator[None]:
        """What is called inside is one kernel, which reads or writes the tensors."""
        self.by_name[name] += 1
        self.total_bytes += sum(_bytes(each) for each in touched)
        before, self._is_inside = self._is_inside, True
        yield
        self._is_inside = before

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
        if name in _NOTHING or _is_view(func) or not any(x.is_meta for x in given + made):
            return
        if name in _MAYBE_COPIES and _same_memory(given, made):
            return
        self.by_name[name] += _SEVERAL.get(name, 1)
        if name == _ATTENTION and len(given) > 3:
            self.by_name["mask"] += 2
        if name == "aten.rms_norm.default" and not given[0].is_contiguous():
            self.by_name["copy"] += 1
        touched = [*made, *made] if name in _GATHERS else [*given, *made]
        self.total_bytes += sum(_bytes(x) for x in touched)


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
