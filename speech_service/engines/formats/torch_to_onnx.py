"""ONNX graphs of torch modules, written node by node; every weight is float32."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
from torch import Tensor, nn

from speech_service.engines.formats.onnx import GraphBuilder

_MOST_BYTES = 2**31 - 1
"""A protobuf message cannot be longer."""


class GraphTooLargeError(Exception):
    """The weights do not fit into one ONNX file."""


def check_size(module: nn.Module) -> None:
    """Refuse a module whose weights are 2 GB or more in float32.

    Raises:
        GraphTooLargeError: it is one.
    """
    size = sum(4 * each.numel() for each in module.parameters())
    if size > _MOST_BYTES:
        raise GraphTooLargeError(f"{size} bytes of weights; an ONNX file holds {_MOST_BYTES}")


class ModuleGraph:
    """Names what it adds."""

    def __init__(self, build: GraphBuilder) -> None:
        self._build = build

    def op(self, kind: str, *inputs: str, **attributes: float | tuple[int, ...]) -> str:
        """Add a node."""
        return self._build.node(kind, inputs, [self._build.unique(kind)], "", **attributes)

    def integers(self, values: int | range | tuple[int, ...]) -> str:
        """Add a constant: a vector, or a single number."""
        return self._build.constant(self._build.unique("integers"), np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Add a single number."""
        return self._build.constant(self._build.unique("number"), np.array(value, np.float32))

    def weight(self, tensor: Tensor) -> str:
        """Add a parameter."""
        values = tensor.detach().float().cpu().contiguous().numpy()
        return self._build.constant(self._build.unique("weight"), values)

    def reshape(self, x: str, sizes: tuple[int, ...]) -> str:
        """0 keeps a size, -1 takes what is left."""
        return self.op("Reshape", x, self.integers(sizes))

    def split(self, x: str, sizes: Sequence[int], axis: int) -> list[str]:
        """Parts of these sizes."""
        parts = [self._build.unique("part") for _ in sizes]
        self._build.node("Split", [x, self.integers(tuple(sizes))], parts, "", axis=axis)
        return parts

    def cut(self, x: str, axis: int, begin: int, end: int = 2**62) -> str:
        """Part of a dimension; negative places count from its end."""
        places = (self.integers((place,)) for place in (begin, end, axis))
        return self.op("Slice", x, *places)

    def linear(self, x: str, weight: Tensor, bias: Tensor | None = None) -> str:
        """[..., n] times [other, n], plus [other]."""
        product = self.op("MatMul", x, self.weight(weight.T))
        return product if bias is None else self.op("Add", product, self.weight(bias))

    def affine(self, x: str, layer: nn.Module, name: str = "") -> str:
        """Multiply with a linear layer's weight and add its bias, if it has one."""
        assert isinstance(layer, nn.Linear)
        product = self.op("MatMul", x, self.weight(layer.weight.T))
        bias = cast(Tensor | None, layer.bias)
        if bias is None:
            return product
        output = name or self._build.unique("Add")
        return self._build.node("Add", [product, self.weight(bias)], [output])

    def norm(self, x: str, layer: nn.LayerNorm) -> str:
        """Normalise the last dimension."""
        parameters = (self.weight(layer.weight), self.weight(layer.bias))
        return self.op("LayerNormalization", x, *parameters, epsilon=layer.eps)

    def gelu(self, x: str) -> str:
        """Exact GELU; the operator itself is younger than the operator set that all runtimes know."""
        share = self.op("Erf", self.op("Mul", x, self.number(math.sqrt(0.5))))
        share = self.op("Add", share, self.number(1.0))
        return self.op("Mul", self.op("Mul", x, share), self.number(0.5))
