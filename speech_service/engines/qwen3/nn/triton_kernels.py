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
from speech_service.engines.qwen3.nn.kernels import Heads, Kernels, Products
from speech_service.engines.qwen3.nn.quantize import (
    LEAST_SCALE,
    IntProducts,
    RowFormat,
    ScaledRows,
)

_BLOCK = 1024
_ROUND = 12582912.0
"""1.5 * 2^23: a float32 below 2^22 that this is added to has no bits behind the point."""


@triton.jit
def _round(x, magic):
    """To the nearest integer, to the even one of two."""
    return (x + magic) - magic


@triton.jit
def _add_norm(
    x, delta, rows, columns, weight, shrink, total, normed, scales, width, eps, top, least, magic,
    ADDS: tl.constexpr, IS_INT: tl.constexpr, SHRINKS: tl.constexpr, SCALES: tl.constexpr,
    ROUNDS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + row * width + at, mask=inside, other=0.0)
    if ADDS:
        added = tl.load(delta + row * width + at, mask=inside, other=0).to(tl.float32)
        if IS_INT:
            added *= tl.load(rows + row) * tl.load(columns + at, mask=inside, other=0.0)
        value = (value.to(tl.float32) + added).to(total.dtype.element_ty)
        tl.store(total + row * width + at, value, mask=inside)
    value = value.to(tl.float32)
    root = tl.sqrt(tl.sum(value * value, axis=0) / width + eps)
    found = value / root * tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    if SHRINKS:
        found *= tl.load(shrink + at, mask=inside, other=0.0).to(tl.float32)
    if SCALES:
        scale = tl.maximum(tl.max(tl.abs(found), axis=0), least) / top
        tl.store(scales + row, scale)
        found = tl.minimum(tl.maximum(found / scale, -top), top)
        if ROUNDS:
            found = _round(found, magic)
    tl.store(normed + row * width + at, found.to(normed.dtype.element_ty), mask=inside)


@triton.jit
def _silu_mul(
    gate_up, rows, columns, shrink, product, scales, width, top, least, magic,
    IS_INT: tl.constexpr, SHRINKS: tl.constexpr, SCALES: tl.constexpr, ROUNDS: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < width
    gate = tl.load(gate_up + row * 2 * width + at, mask=inside, other=0).to(tl.float32)
    up = tl.load(gate_up + row * 2 * width + width + at, mask=inside, other=0).to(tl.float32)
    if IS_INT:
        own = tl.load(rows + row)
        gate *= own * tl.load(columns + at, mask=inside, other=0.0)
        up *= own * tl.load(columns + width + at, mask=inside, other=0.0)
    found = gate / (1.0 + tl.exp(-gate)) * up
    if SHRINKS:
        found *= tl.load(shrink + at, mask=inside, other=0.0).to(tl.float32)
    if SCALES:
        scale = tl.maximum(tl.max(tl.abs(found), axis=0), least) / top
        tl.store(scales + row, scale)
        found = tl.minimum(tl.maximum(found / scale, -top), top)
        if ROUNDS:
            found = _round(found, magic)
    tl.store(product + row * width + at, found.to(product.dtype.element_ty), mask=inside)


@triton.jit
def _turn_and_keep(
    qkv, rows, columns, weights, cos, sin, places, query, keys, values, turn_step, eps,
    IS_INT: tl.constexpr, HEADS: tl.constexpr, KV_HEADS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    at = tl.arange(0, WIDTH)
    across = (at + WIDTH // 2) % WIDTH
    own = qkv + (token * (HEADS + 2 * KV_HEADS) + head) * WIDTH
    place = tl.load(places + token).to(tl.int64)
    if head >= HEADS + KV_HEADS:
        kept = values + (place * KV_HEADS + head - HEADS - KV_HEADS) * WIDTH
        value = tl.load(own + at)
        if IS_INT:
            value = (
                value.to(tl.float32) * tl.load(rows + token) * tl.load(columns + head * WIDTH + at)
            )
        tl.store(kept + at, value.to(values.dtype.element_ty))
    else:
        value = tl.load(own + at).to(tl.float32)
        crossed = tl.load(own + across).to(tl.float32)
        if IS_INT:
            row = tl.load(rows + token)
            value *= row * tl.load(columns + head * WIDTH + at)
            crossed *= row * tl.load(columns + head * WIDTH + across)
        root = tl.sqrt(tl.sum(value * value, axis=0) / WIDTH + eps)
        weight = weights + head * WIDTH
        straight = value / root * tl.load(weight + at).to(tl.float32)
        rolled = crossed / root
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


def add_norm(
    x: Tensor, delta: Products | None, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """As :func:`kernels.add_norm`."""
    total, normed = x if delta is None else torch.empty_like(x), torch.empty_like(x)
    _launch_add_norm(x, delta, weight, eps, total, normed)
    return total, normed


def add_norm_scaled(
    x: Tensor, delta: Products | None, weight: Tensor, eps: float, form: RowFormat
) -> tuple[Tensor, ScaledRows]:
    """As :func:`kernels.add_norm_scaled`."""
    total = x if delta is None else torch.empty_like(x)
    scaled = _new_rows(x, x.shape[1], form)
    _launch_add_norm(x, delta, weight, eps, total, scaled.values, scaled.scales, form)
    return total, scaled


def _new_rows(x: Tensor, width: int, form: RowFormat) -> ScaledRows:
    """Room for as many rows as ``x`` has; rows that fill it up are left as they are."""
    values = x.new_empty(max(len(x), form.least_rows), width, dtype=form.dtype)
    return ScaledRows(values, x.new_empty(len(x), 1, dtype=torch.float32))


def _parts(made: Products | None) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Numbers, and the scales of their rows and columns if they are integers."""
    return made if isinstance(made, IntProducts) else (made, None, None)


def silu_mul(gate_up: Products) -> Tensor:
    """As :func:`kernels.silu_mul`."""
    assert isinstance(gate_up, Tensor), "integers go on as integers"
    rows, width = len(gate_up), gate_up.shape[1] // 2
    product = gate_up.new_empty(rows, width)
    grid = (rows, triton.cdiv(width, _BLOCK))
    _silu_mul[grid](
        gate_up, None, None, None, product, None, width, 0.0, 0.0, 0.0,
        IS_INT=False, SHRINKS=False, SCALES=False, ROUNDS=False, BLOCK=_BLOCK,
    )  # fmt: skip
    return product


def silu_mul_scaled(gate_up: Products, form: RowFormat) -> ScaledRows:
    """As :func:`kernels.silu_mul_scaled`."""
    made, own, columns = _parts(gate_up)
    assert made is not None
    width = made.shape[1] // 2
    scaled = _new_rows(made if own is None else own, width, form)
    _silu_mul[(len(scaled.scales), 1)](
        made,
        own,
        columns,
        form.shrink,
        scaled.values,
        scaled.scales,
        width,
        form.top,
        LEAST_SCALE,
        _ROUND,
        IS_INT=own is not None,
        SHRINKS=form.shrink is not None,
        SCALES=True,
        ROUNDS=form.dtype is torch.int8,
        BLOCK=triton.next_power_of_2(width),
        num_warps=8,
    )
    return scaled


def turn_and_keep(
    qkv: Products,
    heads: Heads,
    turn: tuple[Tensor, Tensor],
    places: Tensor,
    keys: Tensor,
    values: Tensor,
) -> Tensor:
    """As :func:`kernels.turn_and_keep`; a head's width is a power of two."""
    cos, sin = turn
    made, own, columns = _parts(qkv)
    tokens = len(places)
    query = keys.new_empty(tokens, heads.count, heads.width)
    _turn_and_keep[(tokens, heads.count + 2 * heads.kv_count)](
        made,
        own,
        columns,
        heads.weights,
        cos,
        sin,
        places,
        query,
        keys,
        values,
        heads.width if len(cos) > 1 else 0,
        heads.eps,
        IS_INT=own is not None,
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
    delta: Products | None,
    weight: Tensor,
    eps: float,
    total: Tensor,
    normed: Tensor,
    scales: Tensor | None = None,
    form: RowFormat | None = None,
) -> None:
    width, shrink = x.shape[1], None if form is None else form.shrink
    added, rows, columns = _parts(delta)
    _add_norm[(len(x),)](
        x,
        added,
        rows,
        columns,
        weight,
        shrink,
        total,
        normed,
        scales,
        width,
        eps,
        0.0 if form is None else form.top,
        LEAST_SCALE,
        _ROUND,
        ADDS=delta is not None,
        IS_INT=rows is not None,
        SHRINKS=shrink is not None,
        SCALES=form is not None,
        ROUNDS=form is not None and form.dtype is torch.int8,
        BLOCK=triton.next_power_of_2(width),
        num_warps=8 if width > _BLOCK else 4,
    )


TRITON = Kernels(add_norm, add_norm_scaled, silu_mul, silu_mul_scaled, turn_and_keep, attend_short)
