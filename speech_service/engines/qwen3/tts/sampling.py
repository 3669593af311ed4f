"""Batched choice of codes: every row has its own rules and its own noise, and no row's choice depends on the batch.

A row draws by inversion (Devroye 1986, III.2): the first code up to which the likelihoods sum to a random share of them
all. The one random number is a hash of seed, frame and codebook, so a stream that is interrupted, moved or batched
otherwise draws the same codes. Top-k and top-p keep what transformers 4.57 keeps.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from speech_service.engines.qwen3.nn.kernels import kernels_of

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

    @property
    def columns(self) -> tuple[float, int, float]:
        """A row of what :class:`Rules` takes."""
        return self.temperature, self.top_k, self.top_p


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
        self.edge: Tensor | None = None
        """int64 [rows, 1], place of the last code that top-k keeps among ``reach`` codes; None: they are not so few."""

    @cached_property
    def greedy(self) -> Tensor:
        """bool [rows]: the likeliest is taken."""
        return self.columns[:, 0] == 0

    @cached_property
    def temperature(self) -> Tensor:
        """float32 [rows, 1], 1 where the likeliest is taken."""
        temperature = self.columns[:, :1].float()
        return torch.where(temperature == 0, 1.0, temperature)

    @cached_property
    def top_k(self) -> Tensor:
        """int64 [rows, 1]."""
        return self.columns[:, 1:2].long()

    @cached_property
    def top_p(self) -> Tensor:
        """float32 [rows, 1]."""
        return self.columns[:, 2:].float()

    @classmethod
    def of(cls, rules: Sequence[Rule], columns: Tensor | None = None) -> "Rules":
        """The rules of so many rows, and what can be left out for all of them; ``columns`` are theirs on a device."""
        if columns is None:
            columns = torch.tensor([rule.columns for rule in rules], dtype=torch.float64)
        made = cls(columns)
        made.draws = any(rule.temperature > 0 for rule in rules)
        made.has_greedy = any(rule.temperature == 0 for rule in rules)
        made.cuts_mass = any(rule.top_p < 1 for rule in rules)
        kept = [rule.top_k for rule in rules if rule.temperature > 0]
        made.cuts_count = any(kept) or made.cuts_mass
        if all(0 < k <= _SMALL_K for k in kept):
            made.reach = _SMALL_K
            made.edge = made.top_k.clamp(min=1, max=_SMALL_K) - 1
        return made


Draw = Callable[[Tensor, Rules, Tensor], Tensor]
"""As :func:`choose`."""


def draw_of(device: torch.device) -> Draw:
    """What chooses fastest on a device.

    Raises:
        ConfigError: it is a GPU, and Triton is not installed.
    """
    if device.type != "cuda":
        return choose
    kernels_of(device)
    found: Draw = importlib.import_module("speech_service.engines.qwen3.tts.triton_sampling").choose
    return found


def choose(logits: Tensor, rules: Rules, shares: Tensor) -> Tensor:
    """One code for each row.

    Args:
        logits: float [rows, codes]; -inf is never chosen.
        rules: of the rows.
        shares: float32 [rows, 1], from :func:`uniform`.

    Returns:
        int64 [rows].
    """
    logits = logits.float()
    if not rules.draws:
        return logits.argmax(dim=-1)
    scores = logits / rules.temperature
    if rules.cuts_count:
        best, least = _edges(scores, rules)
        scores = scores.masked_fill_(scores < least, -torch.inf)
    else:
        best = scores.amax(dim=-1, keepdim=True)
    upto = scores.sub_(best).exp_().cumsum(dim=-1)
    drawn = torch.searchsorted(upto, upto[:, -1:] * shares)
    # Only where numbers are not finite is there no such code; the row is then found out by its states.
    drawn = drawn[:, 0].clamp_(max=logits.shape[1] - 1)
    return torch.where(rules.greedy, logits.argmax(dim=-1), drawn) if rules.has_greedy else drawn


def _edges(scores: Tensor, rules: Rules) -> tuple[Tensor, Tensor]:
    """The best score, and the least that top-k and then top-p keep; both [rows, 1]. Ties at an edge stay in."""
    reach = min(rules.reach or scores.shape[1], scores.shape[1])
    falling = scores.topk(reach, dim=-1).values
    best, last = falling[:, :1], rules.edge
    if last is None or reach != rules.reach:
        kept = torch.where(rules.top_k == 0, reach, rules.top_k)
        last = kept.clamp(max=reach) - 1
    least = falling.gather(1, last)
    if not rules.cuts_mass:
        return best, least
    left_out = falling < least
    mass = (falling - best).exp_().masked_fill_(left_out, 0.0)
    upto = mass.cumsum(dim=-1)
    left_out |= (upto - mass >= rules.top_p * upto[:, -1:]) & (rules.top_p < 1)
    left_out[:, 0] = False
    return best, falling.masked_fill(left_out, torch.inf).amin(dim=-1, keepdim=True)


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


def uniform(keys: Tensor) -> Tensor:
    """Keys of noise as numbers strictly between 0 and 1, float32, of the same shape."""
    return ((keys >> (32 - _NOISE_BITS)).float() + 0.5) * 2.0**-_NOISE_BITS


def _mixed(x: Tensor) -> Tensor:
    """A bijection of 32-bit numbers without visible structure (Wellons 2018, lowbias32); int64, any shape."""
    x = (x ^ (x >> 16)).mul_(_ROUND_1).bitwise_and_(_MASK)
    x = x.bitwise_xor_(x >> 15).mul_(_ROUND_2).bitwise_and_(_MASK)
    return x.bitwise_xor_(x >> 16)
