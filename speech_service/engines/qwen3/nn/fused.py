"""A decoder stack as a GPU computes it: nine kernels a layer, four of them matrix products.

What a layer adds to the stream of states is added by the norm that follows, so the sum is read once. Queries and keys
are normalised, turned and kept by one kernel; products in eight bits are given rows that the kernel before has scaled.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from speech_service.engines.qwen3.nn.attention import RowsPlan
from speech_service.engines.qwen3.nn.kernels import Heads, Kernels
from speech_service.engines.qwen3.nn.quantize import Fp8Linear

Product = Callable[..., Tensor]
"""A linear layer: of rows, or of :class:`ScaledRows`."""


@dataclass(frozen=True, slots=True, eq=False)
class FusedLayer:
    """What a layer computes with; the norms are weights [hidden]."""

    qkv: Product
    o: Product
    gate_up: Product
    down: Product
    input_norm: Tensor
    post_norm: Tensor
    heads: Heads


class FusedStack:
    """All layers and the final norm."""

    def __init__(
        self, layers: Sequence[FusedLayer], final_norm: Tensor, eps: float, kernels: Kernels
    ) -> None:
        self._kernels = kernels
        self._eps = eps
        self._final_norm = final_norm
        self._layers = [
            (
                layer,
                kernels.add_norm_scaled if _is_scaled(layer.qkv) else kernels.add_norm,
                kernels.add_norm_scaled if _is_scaled(layer.gate_up) else kernels.add_norm,
                kernels.silu_mul_scaled if _is_scaled(layer.down) else kernels.silu_mul,
            )
            for layer in layers
        ]

    def __call__(self, x: Tensor, plan: RowsPlan, turn: tuple[Tensor, Tensor]) -> Tensor:
        """As :meth:`DecoderStack.forward`; ``turn`` may be one row for all tokens."""
        kernels, eps, rows = self._kernels, self._eps, plan.rows
        delta: Tensor | None = None
        for (layer, input_norm, post_norm, gate), (keys, values) in zip(
            self._layers, plan.layers, strict=True
        ):
            x, normed = input_norm(x, delta, layer.input_norm, eps)
            qkv = layer.qkv(normed)
            query = kernels.turn_and_keep(qkv, layer.heads, turn, rows.places, keys, values)
            answer = plan.attention(query, keys, values, rows)
            x, normed = post_norm(x, layer.o(answer.flatten(1)), layer.post_norm, eps)
            delta = layer.down(gate(layer.gate_up(normed)))
        return kernels.add_norm(x, delta, self._final_norm, eps)[1]


def _is_scaled(product: Product) -> bool:
    return isinstance(product, Fp8Linear)
