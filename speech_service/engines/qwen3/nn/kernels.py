"""What a decoder layer computes between its matrix products, as functions that are one kernel each on a GPU.

Here they are plain torch: what a GPU's kernels are compared with, and what counts and shapes are found with where there
is none. A CPU has faster ways of its own (``block.py``).
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import rms_norm, silu

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen3.nn.attention import Attention, gathered_attention
from speech_service.engines.qwen3.nn.quantize import (
    IntProducts,
    RowFormat,
    ScaledRows,
    scaled_rows,
)


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """The heads of a layer, and how queries and keys are normalised: ``weights`` [count + kv_count, width]."""

    count: int
    kv_count: int
    width: int
    weights: Tensor
    eps: float


Products = Tensor | IntProducts
AddNorm = Callable[[Tensor, Products | None, Tensor, float], tuple[Tensor, Tensor]]
AddNormScaled = Callable[
    [Tensor, Products | None, Tensor, float, RowFormat], tuple[Tensor, ScaledRows]
]
TurnAndKeep = Callable[[Products, Heads, tuple[Tensor, Tensor], Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Kernels:
    """One set of the functions below."""

    add_norm: AddNorm
    add_norm_scaled: AddNormScaled
    silu_mul: Callable[[Products], Tensor]
    silu_mul_scaled: Callable[[Products, RowFormat], ScaledRows]
    turn_and_keep: TurnAndKeep
    attend_short: Attention


def add_norm(
    x: Tensor, delta: Products | None, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """``x + delta`` [n, width], and its root mean square norm (Zhang and Sennrich 2019) times ``weight`` [width]."""
    total = _sum(x, delta)
    return total, rms_norm(total, weight.shape, weight, eps)


def add_norm_scaled(
    x: Tensor, delta: Products | None, weight: Tensor, eps: float, form: RowFormat
) -> tuple[Tensor, ScaledRows]:
    """The same; the norm in eight bits."""
    total = _sum(x, delta)
    return total, scaled_rows(rms_norm(total.float(), weight.shape, weight.float(), eps), form)


def _sum(x: Tensor, delta: Products | None) -> Tensor:
    if delta is None:
        return x
    return (x.float() + delta.floats()).to(x.dtype) if isinstance(delta, IntProducts) else x + delta


def silu_mul(gate_up: Products) -> Tensor:
    """Gate and what it lets through, side by side [n, 2 * width] -> [n, width] (Shazeer 2020)."""
    assert isinstance(gate_up, Tensor), "integers go on as integers"
    gate, up = gate_up.float().chunk(2, dim=-1)
    return (silu(gate) * up).to(gate_up.dtype)


def silu_mul_scaled(gate_up: Products, form: RowFormat) -> ScaledRows:
    """The same in eight bits."""
    whole = gate_up.floats() if isinstance(gate_up, IntProducts) else gate_up.float()
    gate, up = whole.chunk(2, dim=-1)
    return scaled_rows(silu(gate) * up, form)


def turn_and_keep(
    qkv: Products,
    heads: Heads,
    turn: tuple[Tensor, Tensor],
    places: Tensor,
    keys: Tensor,
    values: Tensor,
) -> Tensor:
    """Normalise and turn queries and keys; keep keys and values.

    Args:
        qkv: [n, (count + 2 * kv_count) * width].
        heads: of the layer.
        turn: cosines and signed sines, [n or 1, 1, width] each, of rotary positions (Su et al. 2021).
        places: int32 [n], where keys and values are kept.
        keys: [places, kv_count, width], changed in place; ``values`` likewise.
        values: as ``keys``.

    Returns:
        Queries [n, count, width].
    """
    if isinstance(qkv, IntProducts):
        qkv = qkv.floats().to(keys.dtype)
    each = qkv.view(len(qkv), -1, heads.width)
    both, value = each.split((heads.count + heads.kv_count, heads.kv_count), dim=1)
    normed = rms_norm(both.float(), (heads.width,), None, heads.eps) * heads.weights.float()
    cos, sin = (side.float() for side in turn)
    turned = (normed * cos + normed.roll(heads.width // 2, dims=-1) * sin).to(qkv.dtype)
    query, key = turned.split((heads.count, heads.kv_count), dim=1)
    keys.index_put_((places,), key)
    values.index_put_((places,), value)
    return query.contiguous()


PLAIN = Kernels(
    add_norm, add_norm_scaled, silu_mul, silu_mul_scaled, turn_and_keep, gathered_attention
)


def kernels_of(device: torch.device) -> Kernels:
    """The functions that are fastest on a device.

    Raises:
        ConfigError: it is a GPU, and Triton is not installed.
    """
    if device.type != "cuda":
        return PLAIN
    try:
        found: Kernels = importlib.import_module(
            "speech_service.engines.qwen3.nn.triton_kernels"
        ).TRITON
    except ImportError as error:
        raise ConfigError(
            'device: "cuda" needs Triton, which torch for CUDA brings along. Install it: pip install triton'
        ) from error
    return found
