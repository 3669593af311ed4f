"""The draw of :func:`sampling.choose` as one kernel on a GPU.

Nothing is sorted: what top-k and top-p keep lies above a threshold, which is found by halving the range of the scores'
bits, taken as numbers of the same order. Any threshold between two scores keeps the same codes; ties stay in, as there.
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

from speech_service.engines.qwen3.tts.sampling import Rules


@triton.jit
def _ordered(score):
    """Numbers whose order is that of float32 scores."""
    bits = score.to(tl.int32, bitcast=True)
    return tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(tl.int64)


@triton.jit
def _choose(
    logits, columns, shares, drawn, codes, logits_step, columns_step, shares_step,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < codes
    score = tl.load(logits + row * logits_step + at, mask=inside, other=float("-inf")).to(
        tl.float32
    )
    temperature = tl.load(columns + row * columns_step).to(tl.float32)
    found = tl.argmax(score, axis=0)
    if temperature > 0:
        top_k = tl.load(columns + row * columns_step + 1).to(tl.int64)
        top_p = tl.load(columns + row * columns_step + 2).to(tl.float32)
        score = score / temperature
        order = _ordered(score)
        best, highest = tl.max(score, axis=0), tl.max(order, axis=0)
        lowest = tl.min(order, axis=0)
        if top_k > 0:
            above = highest
            for _ in range(33):  # the highest threshold that keeps so many
                middle = lowest + (above - lowest + 1) // 2
                keeps = tl.sum((order >= middle).to(tl.int32), axis=0) >= top_k
                lowest = tl.where(keeps, middle, lowest)
                above = tl.where(keeps, above, middle - 1)
        mass = tl.where(inside & (order >= lowest), tl.exp(score - best), 0.0)
        if top_p < 1:
            wanted = top_p * tl.sum(mass, axis=0)
            above = highest
            for _ in range(33):  # the lowest threshold above which there is less than is wanted
                middle = lowest + (above - lowest) // 2
                is_less = tl.sum(tl.where(order > middle, mass, 0.0), axis=0) < wanted
                above = tl.where(is_less, middle, above)
                lowest = tl.where(is_less, lowest, middle + 1)
            mass = tl.where(order >= above, mass, 0.0)
        upto = tl.cumsum(mass, axis=0)
        share = tl.load(shares + row * shares_step) * tl.max(upto, axis=0)
        before = tl.sum((inside & (upto < share)).to(tl.int32), axis=0)
        found = tl.minimum(before, codes - 1)
    tl.store(drawn + row, found.to(tl.int64))


def choose(logits: Tensor, rules: Rules, shares: Tensor) -> Tensor:
    """As :func:`sampling.choose`."""
    rows, codes = logits.shape
    drawn = torch.empty(rows, dtype=torch.int64, device=logits.device)
    _choose[(rows,)](
        logits,
        rules.columns,
        shares,
        drawn,
        codes,
        logits.stride(0),
        rules.columns.stride(0),
        shares.stride(0),
        BLOCK=triton.next_power_of_2(codes),
        num_warps=8,
    )
    return drawn
