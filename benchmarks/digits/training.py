"""Trains one model: next token of the answer, and the digits by CTC on the encoder's states."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, ctc_loss, log_softmax
from torch.nn.utils.rnn import pad_sequence

from benchmarks.digits import DIGITS
from benchmarks.digits.batches import IGNORED, Batch, Batches
from benchmarks.digits.model import DigitsModel

_BLANK = len(DIGITS)
_CTC_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast a model learns."""

    audio_hours: float
    """Audio that it hears in all; every string is new."""
    batch_s: float = 32.0
    """Audio of one step."""
    peak_rate: float = 2e-3
    warm_up: float = 0.05
    """Share of the training in which the learning rate grows; afterwards it falls to almost nothing (one cycle)."""
    weight_decay: float = 0.05
    stages: tuple[tuple[float, int], ...] = ((0.06, 3), (0.18, 6), (1.0, 10))
    """Up to which share of the training strings have at most how many digits."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is."""

    share: float
    steps: int
    loss: float
    """Of the answers' tokens, in nats, averaged over the last steps."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training cost."""

    steps: int
    audio_s: float
    cpu_s: float
    wall_s: float
    loss: float


def train(
    model: DigitsModel, batches: Batches, recipe: Recipe, report: Callable[[Progress], None]
) -> Outcome:
    """Train in place.

    The length is counted in audio, not in time, so the same seeds give the same weights on the same machine.
    """
    began_cpu, began_wall = time.process_time(), time.monotonic()
    model.train()
    # Convolutions of few channels are twice as fast with the channels last.
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    parameters = [
        {
            "params": [p for p in model.parameters() if p.ndim > 1],
            "weight_decay": recipe.weight_decay,
        },
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.peak_rate, betas=(0.9, 0.98), fused=True)
    wanted_s = recipe.audio_hours * 3600
    heard_s, loss, steps = 0.0, math.nan, 0
    while heard_s < wanted_s:
        most_digits = next(most for share, most in recipe.stages if heard_s / wanted_s <= share)
        for batch in batches.pool(most_digits):
            rate = recipe.peak_rate * rate_share(heard_s / wanted_s, recipe.warm_up)
            for group in optimizer.param_groups:
                group["lr"] = rate
            now = step(model, batch, optimizer)
            loss = now if math.isnan(loss) else 0.98 * loss + 0.02 * now
            heard_s, steps = heard_s + batch.audio_s, steps + 1
            report(Progress(min(1.0, heard_s / wanted_s), steps, loss))
    model.eval()
    return Outcome(
        steps, heard_s, time.process_time() - began_cpu, time.monotonic() - began_wall, loss
    )


def rate_share(share: float, warm_up: float) -> float:
    """Share of the peak learning rate at a share of the training: half a cosine up, half a cosine down."""
    if share < warm_up:
        return 0.5 - 0.5 * math.cos(math.pi * share / warm_up)
    return 0.005 + 0.995 * (
        0.5 + 0.5 * math.cos(math.pi * min(1.0, (share - warm_up) / (1 - warm_up)))
    )


def step(model: DigitsModel, batch: Batch, optimizer: torch.optim.Optimizer) -> float:
    """One step; returns the loss of the answers' tokens."""
    # For so few heads and tokens plain attention is faster, backwards by far.
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        states = model.encode(batch.heard)
        decoded = model.decode(batch.heard, states)
        learnt = batch.labels != IGNORED
        logits = model.logits(decoded[learnt])
        digits = model.ctc_head(states)
    loss = cross_entropy(logits.float(), batch.labels[learnt])
    optimizer.zero_grad(set_to_none=True)
    ((1 - _CTC_SHARE) * loss + _CTC_SHARE * _digit_loss(digits.float(), batch)).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _digit_loss(logits: Tensor, batch: Batch) -> Tensor:
    """CTC loss of the states [states, 11] of all rows, per digit."""
    rows = pad_sequence(list(log_softmax(logits, dim=-1).split(batch.states.tolist())))
    targets = torch.tensor([digit for digits in batch.digits for digit in digits], dtype=torch.long)
    counts = torch.tensor([len(digits) for digits in batch.digits])
    total = ctc_loss(
        rows, targets, batch.states, counts, blank=_BLANK, reduction="sum", zero_infinity=True
    )
    return total / max(1, len(targets))
