"""Causal convolutions that go on where they stopped.

A layer's state is the end of its past input, zeros at a stream's start: what a causal network pads with. Fed with
any chunks, a layer gives what it gives for the whole. All states of a stream are one row of numbers, which one
gather fetches and one scatter puts back, however many layers there are.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv_transpose1d

from speech_service.engines.qwen3.nn.block import Tensors


class StateTape:
    """The states of some streams on their way through the layers: each layer takes its own and puts the next one."""

    def __init__(self, rows: Tensor, shapes: Iterable[tuple[int, ...]]) -> None:
        shapes = tuple(shapes)
        parts = rows.split([math.prod(shape) for shape in shapes], dim=1)
        self._given = iter(
            [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)]
        )
        self._next: list[Tensor] = []

    def take(self) -> Tensor:
        """State [streams, ...] of the layer whose turn it is."""
        return next(self._given)

    def put(self, state: Tensor) -> None:
        """Its state after this chunk."""
        self._next.append(state.flatten(1))

    def rows(self) -> Tensor:
        """The states after this chunk, [streams, numbers]."""
        return torch.cat(self._next, dim=1)


class StreamingLayer(nn.Module):
    """A layer with a past. It is used in the order in which its network registers it."""

    state_shapes: tuple[tuple[int, ...], ...]
    """Of one stream, in the order in which the layer takes them."""
    is_rounded = False
    """Whether what a convolution multiplies is rounded to TF32, where a GPU can: ten bits behind the point."""


class CausalConv(StreamingLayer):
    """Convolution of stride 1 over the past and the present."""

    def __init__(self, tensors: Tensors, name: str, *, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(tensors(f"{name}.weight"))
        self.bias = nn.Parameter(tensors(f"{name}.bias"))
        self.dilation = dilation
        self.groups = groups
        self.past = (self.weight.shape[2] - 1) * dilation
        channels = self.weight.shape[1] * groups
        self.state_shapes = ((channels, self.past),) if self.past else ()

    def forward(self, x: Tensor, tape: StateTape) -> Tensor:
        """[streams, channels, n] -> [streams, other channels, n]."""
        if self.past:
            x = torch.cat([tape.take(), x], dim=2)
            tape.put(x[:, :, -self.past :])
        if self.is_rounded:
            return _rounded(x, self, dilation=self.dilation, groups=self.groups)
        return conv1d(x, self.weight, self.bias, dilation=self.dilation, groups=self.groups)


class CausalUpsampling(StreamingLayer):
    """Transposed convolution; what reaches beyond the present is left to the inputs to come."""

    def __init__(self, tensors: Tensors, name: str, rate: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(tensors(f"{name}.weight"))
        self.bias = nn.Parameter(tensors(f"{name}.bias"))
        self.rate = rate
        self.past = math.ceil(self.weight.shape[2] / rate) - 1
        self.state_shapes = ((self.weight.shape[0], self.past),) if self.past else ()

    def forward(self, x: Tensor, tape: StateTape) -> Tensor:
        """[streams, channels, n] -> [streams, other channels, n * rate]."""
        length = x.shape[2] * self.rate
        if self.past:
            x = torch.cat([tape.take(), x], dim=2)
            tape.put(x[:, :, -self.past :])
        if self.is_rounded:
            y = _rounded(x, self, rate=self.rate)
        else:
            y = conv_transpose1d(x, self.weight, self.bias, stride=self.rate)
        begin = self.past * self.rate
        return y[:, :, begin : begin + length]


def _rounded(
    x: Tensor,
    layer: "CausalConv | CausalUpsampling",
    *,
    dilation: int = 1,
    groups: int = 1,
    rate: int = 0,
) -> Tensor:
    """The convolution of a layer, transposed if there is a rate, in TF32.

    The switch that torch documents is one for the process: it would round what other models compute meanwhile.
    """
    is_benchmark, is_deterministic, is_cudnn, is_tf32 = False, False, True, True
    return torch.ops.aten._convolution(
        x,
        layer.weight,
        layer.bias,
        [rate or 1],
        [0],
        [dilation],
        rate > 0,
        [0],
        groups,
        is_benchmark,
        is_deterministic,
        is_cudnn,
        is_tf32,
    )
