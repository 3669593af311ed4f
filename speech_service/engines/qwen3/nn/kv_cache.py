"""Keys and values of many sequences in fixed slots, token by token.

The tensors never move and never grow, so that a captured graph may keep their addresses. A slot's length is a
number on the host: rolling back is making it smaller, and what lies behind it is overwritten before it is read.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections.abc import Sequence

import numpy as np
import torch

from speech_service.engines.qwen3.nn.shapes import DecoderShape

KvLayers = Sequence[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer."""

_ALIGNMENT_BYTES = 64
"""As torch aligns its own tensors: a cache line, the widest load."""


class KvCache:
    """``keys`` and ``values`` of all layers, token by token or head by head. Only the device's thread uses it.

    Token by token, [layers, places, kv_heads, head_dim], is what one call for all rows takes: a slot is ``length``
    places one behind the other. One place more is scrap: there passes of fixed shapes write what is for nobody.
    Head by head, [layers, slots, kv_heads, length, head_dim], is half as much work for a CPU whose caches hold no slot.
    """

    def __init__(
        self,
        shape: DecoderShape,
        slots: int,
        length: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        by_token: bool | None = None,
    ) -> None:
        """Make room; ``by_token`` None: as the device likes it."""
        where = torch.device(device)
        self.by_token = where.type != "cpu" if by_token is None else by_token
        size = (
            (shape.layers, slots * length + 1, shape.kv_heads, shape.head_dim)
            if self.by_token
            else (shape.layers, slots, shape.kv_heads, length, shape.head_dim)
        )
        self.keys = _zeros(size, dtype, where)
        self.values = _zeros(size, dtype, where)
        self.layers = tuple(zip(self.keys.unbind(0), self.values.unbind(0), strict=True))
        """Keys and values of each layer: views, made once."""
        self._lengths = [0] * slots
        self._free = list(range(slots - 1, -1, -1))
        self._slots = slots
        self._length = length

    @property
    def slots(self) -> int:
        """How many sequences it can hold."""
        return self._slots

    @property
    def free_slots(self) -> int:
        """How many more sequences it can take now."""
        return len(self._free)

    @property
    def length(self) -> int:
        """Tokens that one slot can hold."""
        return self._length

    @property
    def scrap(self) -> int:
        """The place of what nobody reads."""
        return self._slots * self._length

    def place(self, slot: int) -> int:
        """Where a slot begins."""
        return slot * self._length

    @property
    def places(self) -> KvLayers:
        """Keys and values of each layer, [places, kv_heads, head_dim], of a cache that is by token."""
        assert self.by_token, "rows of any slots need places"
        return self.layers

    def slot_of(self, side: torch.Tensor, slot: int) -> torch.Tensor:
        """A slot of one layer's keys or values: [kv_heads, length, head_dim]."""
        if self.by_token:
            return side.narrow(0, self.place(slot), self._length).transpose(0, 1)
        return side[slot]

    @property
    def nbytes(self) -> int:
        """Memory of the tensors."""
        return self.keys.nbytes + self.values.nbytes

    def alloc(self) -> int | None:
        """An empty slot, the lowest that is free; None: all are taken."""
        if not self._free:
            return None
        slot = min(self._free)
        self._free.remove(slot)
        self._lengths[slot] = 0
        return slot

    def free(self, slot: int) -> None:
        """Give a slot back.

        Raises:
            ValueError: it was not taken.
        """
        if slot in self._free or not 0 <= slot < self._slots:
            raise ValueError(f"slot {slot} is not taken")
        self._lengths[slot] = 0
        self._free.append(slot)

    def length_of(self, slot: int) -> int:
        """Tokens that the slot holds."""
        return self._lengths[slot]

    def extend(self, slot: int, tokens: int) -> None:
        """Count tokens that a forward pass has written behind the slot's end.

        Raises:
            ValueError: the slot is not long enough.
        """
        if self._lengths[slot] + tokens > self._length:
            raise ValueError(f"a slot holds {self._length} tokens")
        self._lengths[slot] += tokens

    def truncate(self, slot: int, length: int) -> None:
        """Forget what is behind the first ``length`` tokens.

        Raises:
            ValueError: the slot holds fewer.
        """
        if not 0 <= length <= self._lengths[slot]:
            raise ValueError(f"slot {slot} holds {self._lengths[slot]} tokens, not {length}")
        self._lengths[slot] = length

    def clear(self, slots: Sequence[int]) -> None:
        """Overwrite slots with zeros: a NaN in them must not reach a later sequence by way of a mask."""
        for slot in slots:
            for keys, values in self.layers:
                self.slot_of(keys, slot).zero_()
                self.slot_of(values, slot).zero_()


def _zeros(size: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Zeros. Main memory is taken as it is first written (calloc), not now: most slots stay empty for long."""
    if device.type != "cpu":
        return torch.zeros(*size, dtype=dtype, device=device)
    size_bytes = math.prod(size) * dtype.itemsize
    room = np.zeros(size_bytes + _ALIGNMENT_BYTES, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT_BYTES
    return torch.from_numpy(room[start : start + size_bytes]).view(dtype).view(*size)
