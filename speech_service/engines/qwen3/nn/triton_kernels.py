"""What a decoder layer computes between its matrix products, on a GPU: each function launches one kernel.

Triton (Tillet et al. 2019) compiles a kernel when it is first launched with numbers of a kind, which happens before a
pass is captured. The same functions in plain torch are in ``kernels.py``; a test compares them.
"""

# Triton is installed where torch has CUDA; its kernels are no Python that types say anything of.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportOptionalMemberAccess=false, reportAttributeAccessIssue=false
# pyright: reportIndexIssue=false
# ruff: noqa: ANN001, ANN202, N803

import torch
import triton
import triton.language as tl
from torch import Tensor

from speech_service.engines.qwen3.nn.attention import TokenRows
from speech_service.engines.qwen3.nn.kernels import Heads, Kernels
from speech_service.engines.qwen3.nn.quantize import FP8_TOP, LEAST_SCALE, ScaledRows

_BLOCK = 1024
_FP8 = torch.float8_e4m3fn


@triton.jit
def _add_norm(
    x, delta, weight, total, normed, scales, width, eps, top, least,
    ADDS: tl.constexpr, SCALES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + row * width + at, mask=inside, other=0.0)
    if ADDS:
        added = tl.load(delta + row * width + at, mask=inside, other=0.0).to(tl.float32)
        value = (value.to(tl.float32) + added).to(total.dtype.element_ty)
        tl.store(total + row * width + at, value, mask=inside)
    value = value.to(tl.float32)
    root = tl.sqrt(tl.sum(value * value, axis=0) / width + eps)
    found = value / root * tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    if SCALES:
        scale = tl.maximum(tl.max(tl.abs(found), axis=0), least) / top
        tl.store(scales + row, scale)
        found = tl.minimum(tl.maximum(found / scale, -top), top)
    tl.store(normed + row * width + at, found.to(normed.dtype.element_ty), mask=inside)


@triton.jit
def _silu_mul(
    gate_up, product, scales, width, top, least, SCALES: tl.constexpr, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < width
    gate = tl.load(gate_up + row * 2 * width + at, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * 2 * width + width + at, mask=inside, other=0.0).to(tl.float32)
    found = gate / (1.0 + tl.exp(-gate)) * up
    if SCALES:
        scale = tl.maximum(tl.max(tl.abs(found), axis=0), least) / top
        tl.store(scales + row, scale)
        found = tl.minimum(tl.maximum(found / scale, -top), top)
    tl.store(product + row * width + at, found.to(product.dtype.element_ty), mask=inside)


@triton.jit
def _turn_and_keep(
    qkv, weights, cos, sin, places, query, keys, values, turn_step, eps,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    at = tl.arange(0, WIDTH)
    across = (at + WIDTH // 2) % WIDTH
    own = qkv + (token * (HEADS + 2 * KV_HEADS) + head) * WIDTH
    place = tl.load(places + token).to(tl.int64)
    if head >= HEADS + KV_HEADS:
        kept = values + (place * KV_HEADS + head - HEADS - KV_HEADS) * WIDTH
        tl.store(kept + at, tl.load(own + at))
    else:
        value = tl.load(own + at).to(tl.float32)
        root = tl.sqrt(tl.sum(value * value, axis=0) / WIDTH + eps)
        weight = weights + head * WIDTH
        straight = value / root * tl.load(weight + at).to(tl.float32)
        rolled = tl.load(own + across).to(tl.float32) / root
        rolled *= tl.load(weight + across).to(tl.float32)
        turned = straight * tl.load(cos + token * turn_step + at).to(tl.float32)
        turned += rolled * tl.load(sin + token * turn_step + at).to(tl.float32)
        if head < HEADS:
            asked = query + (token * HEADS + head) * WIDTH
            tl.store(asked + at, turned.to(query.dtype.element_ty))
        else:
            kept = keys + (place * KV_HEADS + head - HEADS) * WIDTH
            tl.store(kept + at, turned.to(keys.dtype.element_ty))


@triton.jit
def _attend_short(
    query, keys, values, begins, positions, answer, new, scale,
    KV_HEADS: tl.constexpr, GROUP: tl.constexpr, WIDTH: tl.constexpr, HELD: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    kv_head = tl.program_id(1)
    begin = tl.load(begins + token // new).to(tl.int64)
    last = tl.load(positions + token)
    at, place = tl.arange(0, WIDTH), tl.arange(0, HELD)
    side = ((begin + place[:, None]) * KV_HEADS + kv_head) * WIDTH + at[None, :]
    seen = place <= last
    key = tl.load(keys + side, mask=seen[:, None], other=0.0).to(tl.float32)
    value = tl.load(values + side, mask=seen[:, None], other=0.0).to(tl.float32)
    for member in tl.static_range(GROUP):
        own = (token * KV_HEADS * GROUP + kv_head * GROUP + member) * WIDTH + at
        asked = tl.load(query + own).to(tl.float32) * scale
        score = tl.where(seen, tl.sum(key * asked[None, :], axis=1), float("-inf"))
        share = tl.exp(score - tl.max(score, axis=0))
        share = share / tl.sum(share, axis=0)
        found = tl.sum(value * share[:, None], axis=0)
        tl.store(answer + own, found.to(answer.dtype.element_ty))


def add_norm(x: Tensor, delta: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """As :func:`kernels.add_norm`."""
    total, normed = x if delta is None else torch.empty_like(x), torch.empty_like(x)
    _launch_add_norm(x, delta, weight, eps, total, normed, None)
    return total, normed


def add_norm_scaled(
    x: Tensor, delta: Tensor | None, weight: Tensor, eps: float
) -> tuple[Tensor, ScaledRows]:
    """As :func:`kernels.add_norm_scaled`."""
    total = x if delta is None else torch.empty_like(x)
    values = torch.empty_like(x, dtype=_FP8)
    scales = x.new_empty(len(x), 1, dtype=torch.float32)
    _launch_add_norm(x, delta, weight, eps, total, values, scales)
    return total, ScaledRows(values, scales)


def silu_mul(gate_up: Tensor) -> Tensor:
    """As :func:`kernels.silu_mul`."""
    rows, width = len(gate_up), gate_up.shape[1] // 2
    product = gate_up.new_empty(rows, width)
    grid = (rows, triton.cdiv(width, _BLOCK))
    _silu_mul[grid](gate_up, product, None, width, 0.0, 0.0, SCALES=False, BLOCK=_BLOCK)
    return product


def silu_mul_scaled(gate_up: Tensor) -> ScaledRows:
    """As :func:`kernels.silu_mul_scaled`."""
    rows, width = len(gate_up), gate_up.shape[1] // 2
    values = gate_up.new_empty(rows, width, dtype=_FP8)
    scales = gate_up.new_empty(rows, 1, dtype=torch.float32)
    block = triton.next_power_of_2(width)
    _silu_mul[(rows, 1)](
        gate_up, values, scales, width, FP8_TOP, LEAST_SCALE, SCALES=True, BLOCK=block, num_warps=8
    )
    return ScaledRows(values, scales)


def turn_and_keep(
    qkv: Tensor,
    heads: Heads,
    turn: tuple[Tensor, Tensor],
    places: Tensor,
    keys: Tensor,
    values: Tensor,
) -> Tensor:
    """As :func:`kernels.turn_and_keep`; a head's width is a power of two."""
    cos, sin = turn
    query = qkv.new_empty(len(qkv), heads.count, heads.width)
    _turn_and_keep[(len(qkv), heads.count + 2 * heads.kv_count)](
        qkv,
        heads.weights,
        cos,
        sin,
        places,
        query,
        keys,
        values,
        heads.width if len(cos) > 1 else 0,
        heads.eps,
        HEADS=heads.count,
        KV_HEADS=heads.kv_count,
        WIDTH=heads.width,
        num_warps=1,
    )
    return query


def attend_short(query: Tensor, keys: Tensor, values: Tensor, rows: TokenRows) -> Tensor:
    """Implements :class:`Attention` for rows of equally many new tokens; ``most_held`` is small and a power of two."""
    tokens, count, width = query.shape
    kv_count, answer = keys.shape[1], torch.empty_like(query)
    _attend_short[(tokens, kv_count)](
        query,
        keys,
        values,
        rows.begins,
        rows.positions,
        answer,
        rows.most_new,
        width**-0.5,
        KV_HEADS=kv_count,
        GROUP=count // kv_count,
        WIDTH=width,
        HELD=rows.most_held,
    )
    return answer


def _launch_add_norm(
    x: Tensor,
    delta: Tensor | None,
    weight: Tensor,
    eps: float,
    total: Tensor,
    normed: Tensor,
    scales: Tensor | None,
) -> None:
    width = x.shape[1]
    _add_norm[(len(x),)](
        x,
        delta,
        weight,
        total,
        normed,
        scales,
        width,
        eps,
        FP8_TOP,
        LEAST_SCALE,
        ADDS=delta is not None,
        SCALES=scales is not None,
        BLOCK=triton.next_power_of_2(width),
        num_warps=8 if width > _BLOCK else 4,
    )


TRITON = Kernels(add_norm, add_norm_scaled, silu_mul, silu_mul_scaled, turn_and_keep, attend_short)
