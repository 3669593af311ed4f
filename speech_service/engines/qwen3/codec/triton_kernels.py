"""What the codec's decoder computes beside products and convolutions, on a GPU: each function launches one kernel.

The same functions in plain torch are in ``kernels.py``; a test compares them.
"""

# Triton is installed where torch has CUDA; its kernels are no Python that types say anything of.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportOptionalMemberAccess=false, reportAttributeAccessIssue=false
# pyright: reportIndexIssue=false
# ruff: noqa: ANN001, ANN202, N803

import triton
import triton.language as tl
from torch import Tensor

from speech_service.engines.qwen3.codec.kernels import CodecKernels
from speech_service.engines.qwen3.nn.triton_kernels import add_norm, silu_mul

_BLOCK = 1024


@triton.jit
def _snake(
    x, frequency, height, answer, channels, length, stream_step, channel_step, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    stream, channel = row // channels, row % channels
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < length
    value = tl.load(x + stream * stream_step + channel * channel_step + at, mask=inside, other=0.0)
    value = value.to(tl.float32)
    wave = tl.sin(value * tl.load(frequency + channel).to(tl.float32))
    found = value + tl.load(height + channel).to(tl.float32) * wave * wave
    tl.store(answer + row * length + at, found.to(answer.dtype.element_ty), mask=inside)


@triton.jit
def _turn(
    x, positions, frequencies, answer, frames, stream_step, frame_step, head_step,
    HEADS: tl.constexpr, HALF: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    stream, frame = row // frames, row % frames
    at = tl.arange(0, HALF)
    own = x + stream * stream_step + frame * frame_step + head * head_step
    low = tl.load(own + at).to(tl.float32)
    high = tl.load(own + HALF + at).to(tl.float32)
    angle = (tl.load(positions + stream) + frame).to(tl.float32) * tl.load(frequencies + at)
    cos, sin = tl.cos(angle), tl.sin(angle)
    turned = answer + (row * HEADS + head) * 2 * HALF
    tl.store(turned + at, (low * cos - high * sin).to(answer.dtype.element_ty))
    tl.store(turned + HALF + at, (high * cos + low * sin).to(answer.dtype.element_ty))


@triton.jit
def _attend(
    query, keys, values, positions, answer, frames, held, stream_step, frame_step, head_step, scale,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    stream, frame = row // frames, row % frames
    past = held - frames
    at, place = tl.arange(0, WIDTH), tl.arange(0, BLOCK)
    asked = tl.load(query + stream * stream_step + frame * frame_step + head * head_step + at)
    seen = (place >= frame) & (place <= frame + past)
    seen = seen & (place >= past - tl.load(positions + stream))
    side = ((stream * held + place[:, None]) * KV_HEADS + head // (HEADS // KV_HEADS)) * WIDTH
    side += at[None, :]
    key = tl.load(keys + side, mask=seen[:, None], other=0.0).to(tl.float32)
    score = tl.sum(key * (asked.to(tl.float32) * scale)[None, :], axis=1)
    score = tl.where(seen, score, float("-inf"))
    share = tl.exp(score - tl.max(score, axis=0))
    share = share / tl.sum(share, axis=0)
    value = tl.load(values + side, mask=seen[:, None], other=0.0).to(tl.float32)
    found = tl.sum(value * share[:, None], axis=0)
    tl.store(answer + (row * HEADS + head) * WIDTH + at, found.to(answer.dtype.element_ty))


def snake(x: Tensor, frequency: Tensor, height: Tensor) -> Tensor:
    """As :func:`kernels.snake`; of a channel, numbers lie one behind the other."""
    streams, channels, length = x.shape
    answer = x.new_empty(streams, channels, length)
    grid = (streams * channels, triton.cdiv(length, _BLOCK))
    steps = x.stride()[:2]
    _snake[grid](x, frequency, height, answer, channels, length, *steps, BLOCK=_BLOCK)
    return answer


def turn(x: Tensor, positions: Tensor, frequencies: Tensor) -> Tensor:
    """As :func:`kernels.turn`; a head's width is a power of two."""
    streams, frames, heads, width = x.shape
    answer = x.new_empty(streams, frames, heads, width)
    _turn[(streams * frames, heads)](
        x,
        positions,
        frequencies,
        answer,
        frames,
        *x.stride()[:3],
        HEADS=heads,
        HALF=width // 2,
        num_warps=1,
    )
    return answer


def attend(query: Tensor, keys: Tensor, values: Tensor, positions: Tensor) -> Tensor:
    """As :func:`kernels.attend`; keys and values lie in one piece."""
    streams, frames, heads, width = query.shape
    held, kv_heads = keys.shape[1:3]
    stream_step, frame_step, head_step = query.stride()[:3]
    answer = query.new_empty(streams, frames, heads, width)
    _attend[(streams * frames, heads)](
        query,
        keys,
        values,
        positions,
        answer,
        frames,
        held,
        stream_step,
        frame_step,
        head_step,
        width**-0.5,
        HEADS=heads,
        KV_HEADS=kv_heads,
        WIDTH=width,
        BLOCK=triton.next_power_of_2(held),
    )
    return answer


TRITON = CodecKernels(snake, turn, attend, add_norm, silu_mul)
