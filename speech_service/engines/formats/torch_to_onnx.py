"""ONNX graphs of torch modules, written node by node, for runtimes that convert nothing by themselves.

The numbers of a graph are of one type. What a runtime for which types are binding is to compute in, the graph says.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from speech_service.engines.formats.onnx import (
    BFLOAT16,
    FLOAT,
    FLOAT16,
    OPSET,
    OPSET_OF_BFLOAT16,
    GraphBuilder,
)
from speech_service.engines.formats.onnx import Tensor as Constant

_TYPES = {torch.float32: FLOAT, torch.float16: FLOAT16, torch.bfloat16: BFLOAT16}

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


def builder(dtype: torch.dtype) -> GraphBuilder:
    """For a graph that computes in ``dtype``."""
    return GraphBuilder({}, OPSET_OF_BFLOAT16 if dtype is torch.bfloat16 else OPSET)


class ModuleGraph:
    """Names what it adds."""

    def __init__(self, build: GraphBuilder, dtype: torch.dtype = torch.float32) -> None:
        """``dtype``: of numbers and weights, and of what is computed with them."""
        self._build = build
        self._dtype = dtype
        self.type = _TYPES[dtype]
        """The same, as ONNX calls it."""

    def op(self, kind: str, *inputs: str, **attributes: float | tuple[int, ...]) -> str:
        """Add a node."""
        return self._build.node(kind, inputs, [self._build.unique(kind)], "", **attributes)

    def integers(self, values: int | range | tuple[int, ...]) -> str:
        """Add a constant: a vector, or a single number."""
        return self._build.constant(self._build.unique("integers"), np.array(values, np.int64))

    def number(self, value: float) -> str:
        """Add a single number."""
        return self._constant("number", torch.tensor(value, dtype=self._dtype))

    def weight(self, tensor: Tensor) -> str:
        """Add a parameter."""
        return self._constant("weight", tensor.detach().to("cpu", self._dtype))

    def cast(self, x: str, element_type: int) -> str:
        """As another type; nothing where it is that already."""
        return self.op("Cast", x, to=element_type) if element_type != self.type else x

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
        """Normalise the last dimension, in float32, as torch does."""
        values = (each.detach().to("cpu", torch.float32) for each in (layer.weight, layer.bias))
        parameters = (self._constant("weight", each) for each in values)
        x = self.op("LayerNormalization", self.cast(x, FLOAT), *parameters, epsilon=layer.eps)
        return self._back(x)

    def softmax(self, x: str) -> str:
        """Shares of the last dimension, in float32, as torch does."""
        return self._back(self.op("Softmax", self.cast(x, FLOAT), axis=-1))

    def gelu(self, x: str) -> str:
        """Exact GELU; the operator itself is younger than the operator set that all runtimes know."""
        share = self.op("Erf", self.op("Mul", x, self.number(math.sqrt(0.5))))
        share = self.op("Add", share, self.number(1.0))
        return self.op("Mul", self.op("Mul", x, share), self.number(0.5))

    def _back(self, x: str) -> str:
        """From float32 to what is computed in."""
        return x if self.type == FLOAT else self.op("Cast", x, to=self.type)

    def _constant(self, what: str, value: Tensor) -> str:
        raw = value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        constant = Constant(_TYPES[value.dtype], tuple(value.shape), raw)
        return self._build.tensor(self._build.unique(what), constant)
