"""Parts of Moonshine's graphs that encoder and decoder have in common."""

import numpy as np

from speech_service.engines.formats.onnx import MICROSOFT, GraphBuilder
from speech_service.engines.formats.ort import OrtFile

HEADS, HEAD_SIZE = 8, 36
WIDTH = HEADS * HEAD_SIZE
MAX_POSITIONS = 4096
"""Encoder states or tokens that the rotary table covers: 98 s of audio."""
EPSILON = 1e-5
_ROTARY_SIZE = 32
_SCALE = HEAD_SIZE**-0.5


class GraphParts:
    """Products, norms and attention of one file's weights. Every product quantises its input with one scale a pass."""

    def __init__(self, build: GraphBuilder, file: OrtFile, prefix: str, norm: str) -> None:
        self.build = build
        self.file = file
        self._prefix = prefix
        self._norm = norm

    def add(self, left: str, right: str) -> str:
        """Sum."""
        return self.build.node("Add", [left, right], [self.build.unique("sum")])

    def norm(self, hidden: str, layer: int, which: str) -> str:
        """Layer normalisation with the packaged scale and no shift."""
        inputs = [hidden, self._norm.format(layer, which)]
        outputs = [self.build.unique("norm")]
        return self.build.node("LayerNormalization", inputs, outputs, epsilon=EPSILON)

    def product(self, x: str, layer: int, which: str) -> str:
        """Product with a quantised matrix; ``x`` is quantised on the way."""
        operands = self.file.wiring[self.packaged(layer, which)][1:]
        return self.multiply(x, operands, self.build.unique("product"))

    def multiply(self, x: str, operands: list[str], output: str) -> str:
        """Product of ``x`` with ``operands``: matrix, scale, zero point, and maybe what is added."""
        return self.build.node("DynamicQuantizeMatMul", [x, *operands], [output], MICROSOFT)

    def quantize(self, x: str) -> list[str]:
        """Quantise once for several products: values, scale, zero point."""
        name = self.build.unique("quantized")
        outputs = [name, f"{name}.scale", f"{name}.zero"]
        self.build.node("DynamicQuantizeLinear", [x], outputs)
        return outputs

    def quantized_product(self, quantized: list[str], layer: int, which: str) -> str:
        """Product of what ``quantize`` gave."""
        wired = self.file.wiring[self.packaged(layer, which)]
        values, scale, zero = quantized
        inputs = [values, wired[1], scale, wired[3], zero, wired[5]]
        return self.build.node(
            "MatMulIntegerToFloat", inputs, [self.build.unique("product")], MICROSOFT
        )

    def attention_inputs(self, normed: str, layer: int) -> list[str]:
        """Query, key and value of self-attention."""
        quantized = self.quantize(normed)
        which = [f"self_attn/{letter}_proj/MatMul" for letter in "qkv"]
        return [self.quantized_product(quantized, layer, one) for one in which]

    def attend(self, inputs: list[str], outputs: list[str], unidirectional: int = 0) -> str:
        """Attention of all heads."""
        return self.build.node(
            "MultiHeadAttention",
            inputs,
            outputs,
            MICROSOFT,
            num_heads=HEADS,
            scale=_SCALE,
            unidirectional=unidirectional,
        )

    def rotary(self, frequencies: str, position: str) -> list[str]:
        """Tables of the rotary embedding (Su et al. 2021) from position ``position`` on."""
        data = np.frombuffer(self.file.tensors[frequencies].data, np.float32)
        angles = np.arange(MAX_POSITIONS, dtype=np.float32)[:, np.newaxis] * data
        return [
            position,
            self.build.constant("cos", np.cos(angles)),
            self.build.constant("sin", np.sin(angles)),
        ]

    def rotate(self, x: str, rotary: list[str]) -> str:
        """Rotate neighbouring pairs of the first 32 of 36 numbers of each head."""
        return self.build.node(
            "RotaryEmbedding",
            [x, *rotary],
            [self.build.unique("rotated")],
            MICROSOFT,
            interleaved=1,
            num_heads=HEADS,
            rotary_embedding_dim=_ROTARY_SIZE,
        )

    def packaged(self, layer: int, which: str) -> str:
        """What the packaged graph calls the outcome of this product."""
        return f"{self._prefix.format(layer)}{which}_output_0"
