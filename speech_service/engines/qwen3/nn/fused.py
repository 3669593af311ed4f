"""A decoder stack as a GPU computes it: nine kernels a layer, four of them matrix products.

What a layer adds to the stream of states is added by the norm that follows, so the sum is read once. Queries and keys
are normalised, turned and kept by one kernel; products in eight bits are given rows that the kernel before has scaled.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from speech_service.engines.qwen3.nn.attention import RowsPlan
from speech_service.engines.qwen3.nn.kernels import Heads, Kernels
from speech_service.engines.qwen3.nn.kernels import Products as Made
from speech_service.engines.qwen3.nn.quantize import Fp8Linear, Int8Linear, RowFormat

Product = Callable[..., Tensor]
"""A linear layer: of rows, or of :class:`ScaledRows`."""
Norm = Callable[[Tensor, Made | None, Tensor, float], tuple[Tensor, object]]
Gate = Callable[[Made], object]


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
                replace(
                    layer,
                    qkv=_quick(layer.qkv),
                    gate_up=_quick(layer.gate_up),
                    down=_quick(layer.down),
                ),
                _norm(kernels, layer.qkv),
                _norm(kernels, layer.gate_up),
                _gate(kernels, layer.down),
            )
            for layer in layers
        ]

    def __call__(self, x: Tensor, plan: RowsPlan, turn: tuple[Tensor, Tensor]) -> Tensor:
        """As :meth:`DecoderStack.forward`; ``turn`` may be one row for all tokens."""
        kernels, eps, rows = self._kernels, self._eps, plan.rows
        delta: Made | None = None
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


def _quick(product: Product) -> Callable[..., Any]:
    """Of integers, the products without their scales, which the kernel behind reads with them."""
    return product.products if isinstance(product, Int8Linear) else product


def _form(product: Product) -> RowFormat | None:
    return product.form if isinstance(product, Fp8Linear | Int8Linear) else None


def _norm(kernels: Kernels, product: Product) -> Norm:
    """What comes before the product."""
    form = _form(product)
    return kernels.add_norm if form is None else partial(_scaled_norm, kernels, form)


def _scaled_norm(
    kernels: Kernels, form: RowFormat, x: Tensor, delta: Made | None, weight: Tensor, eps: float
) -> tuple[Tensor, object]:
    return kernels.add_norm_scaled(x, delta, weight, eps, form)


def _gate(kernels: Kernels, product: Product) -> Gate:
    form = _form(product)
    if form is None:
        return kernels.silu_mul
    return lambda gate_up: kernels.silu_mul_scaled(gate_up, form)
