"""Batched choice of codes: every row has its own rules and its own noise, and no row's choice depends on the batch.

Sampling is the Gumbel-max trick (Gumbel 1954; Maddison et al. 2014): the likeliest code after noise was added. The
noise is a hash of seed, frame, codebook and code, so a stream that is interrupted, moved or batched otherwise draws
the same codes. Top-k and top-p keep what transformers 4.57 keeps.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
_ROUND_1, _ROUND_2 = 0x7FEB352D, 0x846CA68B
_FRAME_STEP, _BOOK_STEP = 0x9E3779B9, 0x85EBCA6B
_NOISE_BITS = 23
"""So many, and half a step more, are exact in float32 and strictly between 0 and 1."""
_SMALL_K = 64
"""Codes that are looked at where no row keeps more."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one row is drawn. Temperature 0: the likeliest."""

    temperature: float
    top_k: int
    top_p: float


class Rules:
    """The rules of a batch on its device; what they have in common is known on the host and costs no waiting."""

    draws = True
    has_greedy = True
    cuts_mass = True
    cuts_count = True
    reach: int | None = None

    def __init__(self, columns: Tensor) -> None:
        """Rules of which nothing is known on the host.

        Args:
            columns: float64 [rows, 3]: temperature, top_k and top_p.
        """
        self.columns = columns
        temperature = columns[:, :1].float()
        self.greedy = temperature[:, 0] == 0
        self.temperature = torch.where(temperature == 0, 1.0, temperature)
        self.top_k = columns[:, 1:2].long()
        self.top_p = columns[:, 2:].float()
        self.edge: Tensor | None = None
        """int64 [rows, 1], place of the last code that top-k keeps among ``reach`` codes; None: they are not so few."""

    @classmethod
    def of(cls, rules: Sequence[Rule], device: torch.device) -> "Rules":
        """The rules of so many rows, and what can be left out for all of them."""
        rows = [(rule.temperature, rule.top_k, rule.top_p) for rule in rules]
        made = cls(torch.tensor(rows, dtype=torch.float64).to(device))
        made.draws = any(rule.temperature > 0 for rule in rules)
        made.has_greedy = any(rule.temperature == 0 for rule in rules)
        made.cuts_mass = any(rule.top_p < 1 for rule in rules)
        kept = [rule.top_k for rule in rules if rule.temperature > 0]
        made.cuts_count = any(kept) or made.cuts_mass
        if all(0 < k <= _SMALL_K for k in kept):
            made.reach = _SMALL_K
            made.edge = made.top_k.clamp(min=1, max=_SMALL_K) - 1
        return made


def choose(logits: Tensor, rules: Rules, keys: Tensor) -> Tensor:
    """One code for each row.

    Args:
        logits: float32 [rows, codes]; -inf is never chosen.
        rules: of the rows.
        keys: int64 [rows], from :func:`noise_keys`.

    Returns:
        int64 [rows].
    """
    if not rules.draws:
        return logits.argmax(dim=-1)
    scores, codes = logits / rules.temperature, None
    if rules.cuts_count:
        reach = min(rules.reach or logits.shape[1], logits.shape[1])
        scores, codes = scores.topk(reach, dim=-1)
        scores = _cut(scores, rules)
    noise = gumbel(
        keys[:, None],
        codes if codes is not None else torch.arange(logits.shape[1], device=keys.device),
    )
    drawn = (scores + noise).argmax(dim=-1, keepdim=True)
    if codes is not None:
        drawn = codes.gather(1, drawn)
    if not rules.has_greedy:
        return drawn[:, 0]
    return torch.where(rules.greedy, logits.argmax(dim=-1), drawn[:, 0])


def _cut(scores: Tensor, rules: Rules) -> Tensor:
    """Scores [rows, reach], falling, with -inf for what top-k and then top-p leave out; ties at an edge stay in."""
    last = rules.edge
    if last is None or scores.shape[1] != rules.reach:
        kept = torch.where(rules.top_k == 0, scores.shape[1], rules.top_k)
        last = kept.clamp(max=scores.shape[1]) - 1
    scores = scores.masked_fill(scores < scores.gather(1, last), -torch.inf)
    if not rules.cuts_mass:
        return scores
    mass = (scores - scores[:, :1]).exp()
    upto = mass.cumsum(dim=-1)
    left_out = (upto - mass >= rules.top_p * upto[:, -1:]) & (rules.top_p < 1)
    left_out[:, 0] = False
    return scores.masked_fill(left_out, -torch.inf)


def penalised(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """Repetition penalty (Keskar et al. 2019).

    Args:
        logits: [rows, codes].
        seen: bool [rows, codes], what the row has said already.
        penalty: [rows, 1]; above 1 makes it less likely.
    """
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def noise_keys(seeds: Tensor, frames: Tensor, codebooks: int) -> Tensor:
    """Keys of the noise of one frame.

    Args:
        seeds: int64 [rows], from :func:`seed_key`.
        frames: int64 [rows], number of the frame in its stream.
        codebooks: how many codes the frame has.

    Returns:
        int64 [rows, codebooks].
    """
    at_frame = _mixed(seeds ^ ((frames * _FRAME_STEP) & _MASK))
    books = (torch.arange(codebooks, device=seeds.device) * _BOOK_STEP) & _MASK
    return _mixed(at_frame[:, None] ^ books)


def seed_key(seed: int) -> int:
    """A seed of up to 64 bits as what :func:`noise_keys` takes."""
    low, high = torch.tensor([seed & _MASK]), torch.tensor([(seed >> 32) & _MASK])
    return int(_mixed(low ^ _mixed(high + 1)))


def gumbel(keys: Tensor, codes: Tensor) -> Tensor:
    """Standard Gumbel noise, float32, of the shape that int64 keys and codes broadcast to."""
    bits = _mixed(keys ^ ((codes * _FRAME_STEP) & _MASK)).bitwise_right_shift_(32 - _NOISE_BITS)
    uniform = bits.float().add_(0.5).mul_(2.0**-_NOISE_BITS)
    return uniform.log_().neg_().log_().neg_()


def _mixed(x: Tensor) -> Tensor:
    """A bijection of 32-bit numbers without visible structure (Wellons 2018, lowbias32); int64, any shape."""
    x = (x ^ (x >> 16)).mul_(_ROUND_1).bitwise_and_(_MASK)
    x = x.bitwise_xor_(x >> 15).mul_(_ROUND_2).bitwise_and_(_MASK)
    return x.bitwise_xor_(x >> 16)
