"""Parts of the decoder's graphs for FINALs: what a token scores does not depend on the tokens that share its pass.

That makes verifying a draft exact, bit for bit. Two things stand in its way in the ordinary graph. One scale
quantises all rows of a pass, so each row feels the others: here each row has its own. And onnxruntime multiplies one
row by another kernel than several, whose sums differ in the last bit: here attention never sees a single row. Several
tokens pay for their own scales with four times the nodes, a single one next to nothing, so each has its graph.
"""

import numpy as np

from speech_service.engines.formats.onnx import INT32, UINT8
from speech_service.engines.formats.ort import integers
from speech_service.engines.moonshine.graph_parts import GraphParts

_LARGEST = 255
_TINY = 1e-30
"""A row of zeros has a scale too."""


class OneToken(GraphParts):
    """For passes over one token, the scale of whose row is that of the pass. Attention gets the row twice."""

    def attention_inputs(self, normed: str, layer: int) -> list[str]:
        """Query, key and value of self-attention, of the row and its copy."""
        return super().attention_inputs(self._twice(normed), layer)

    def attend(self, inputs: list[str], outputs: list[str], unidirectional: int = 0) -> str:
        """Attention of all heads; what comes of the row's copy is dropped, its key and value too."""
        attended, *present = outputs
        query = inputs[0] if present else self._twice(inputs[0])
        both = [f"{name}.both" for name in outputs]
        super().attend([query, *inputs[1:]], both, unidirectional)
        for name in present:
            self._without_last(f"{name}.both", name, axis=2)
        return self._without_last(f"{attended}.both", attended, axis=1)

    def _twice(self, row: str) -> str:
        return self.build.node("Concat", [row, row], [self.build.unique("twice")], axis=1)

    def _without_last(self, x: str, name: str, axis: int) -> str:
        numbers = [np.array([value], np.int64) for value in (0, -1, axis)]
        labels = ("first", "last", f"axis.{axis}")
        slices = [self.build.constant(*one) for one in zip(labels, numbers, strict=True)]
        return self.build.node("Slice", [x, *slices], [name])


class SeveralTokens(GraphParts):
    """For passes over two tokens or more, each of whose rows is quantised as if it were alone."""

    def quantize(self, x: str) -> list[str]:
        """As ``DynamicQuantizeLinear`` of each row: values [1, s, n], scales [s], zero points int32 [s, 1]."""
        node = self._node
        outer = self.build.constant("outer", np.array([0, 2], np.int64))
        tiny = self.build.constant("tiny", np.array(_TINY, np.float32))
        largest = self.build.constant("largest", np.array(_LARGEST, np.float32))
        above = node("Max", [node("ReduceMax", [x, outer], keepdims=0), tiny])
        below = node("Relu", [node("Neg", [node("ReduceMin", [x, outer], keepdims=0)])])
        scales = node("Div", [node("Add", [above, below]), largest])
        zeros = node("Round", [node("Div", [below, scales])])
        values = node("QuantizeLinear", [x, scales, node("Cast", [zeros], to=UINT8)], axis=1)
        column = self.build.constant("column", np.array([-1, 1], np.int64))
        return [values, scales, node("Reshape", [node("Cast", [zeros], to=INT32), column])]

    def quantized_product(self, quantized: list[str], layer: int, which: str) -> str:
        """As ``MatMulIntegerToFloat`` of each row."""
        wired = self.file.wiring[self.packaged(layer, which)]
        matrix = [wired[1], wired[3], wired[5]]
        return self._product(quantized, matrix, self.build.unique("product"))

    def multiply(self, x: str, operands: list[str], output: str) -> str:
        """As ``DynamicQuantizeMatMul`` of each row."""
        *matrix, added = operands if len(operands) > 3 else [*operands, ""]
        if not added:
            return self._product(self.quantize(x), matrix, output)
        product = self._product(self.quantize(x), matrix, self.build.unique("product"))
        return self.build.node("Add", [product, added], [output])

    def _product(self, quantized: list[str], operands: list[str], output: str) -> str:
        """Integer products of the values, less what their zero points add, times the scales."""
        values, scales, zeros = quantized
        weights, scale, zero = operands
        node, tensors = self._node, self.build.weights
        stored, at_zero = (integers(tensors[name]).astype(np.int32) for name in (weights, zero))
        sums = self.build.constant(
            f"{weights}.sums", (stored - at_zero).sum(axis=0, dtype=np.int32)
        )
        added = node("Mul", [zeros, sums])
        products = node("Sub", [node("MatMulInteger", [values, weights, "", zero]), added])
        both = node("Mul", [scales, scale])
        return self.build.node("DequantizeLinear", [products, both], [output], axis=1)

    def _node(self, op_type: str, inputs: list[str], **attributes: int) -> str:
        return self.build.node(op_type, inputs, [self.build.unique(op_type)], "", **attributes)
