"""Plans: where the tokens of one forward pass stand, and what each may attend to.

A decoder stack works on a flat list of tokens and asks its plan for everything that depends on batches, positions
and caches. Sequences of any lengths lie one behind the other, so prompts, proposals and single tokens are one pass.
Queries that share a KV head are laid side by side in the sequence dimension, which makes grouped-query attention
(Ainslie et al. 2023) an ordinary one and copies no key.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from speech_service.engines.qwen3.nn.kv_cache import KvCache, KvLayers


class AttentionPlan(Protocol):
    """What a decoder stack needs to know of one forward pass of n tokens."""

    @property
    def positions(self) -> Tensor:
        """int64 or int32 [n]: place of each token in its own sequence."""
        ...

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Keep key and value [n, kv_heads, d]; give query [n, heads, d] its answer, of the same shape."""
        ...


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """``count`` new tokens of the sequence in ``slot``, which already holds ``start``."""

    slot: int
    start: int
    count: int


class SpanPlan:
    """Spans whose lengths the host knows, each by a call of its own: what a CPU is fastest with.

    Attention runs per sequence over what its slot really holds, so a sequence's numbers do not depend on its company.
    """

    def __init__(self, cache: KvCache, spans: Sequence[TokenSpan]) -> None:
        device = cache.keys.device
        self._cache = cache
        places = [range(span.start, span.start + span.count) for span in spans]
        self._positions = torch.tensor(list(chain(*places)), device=device)
        self._spans: list[tuple[int, TokenSpan, Tensor | None]] = []
        at = 0
        for span in spans:
            self._spans.append((at, span, _causal(span, device)))
            at += span.count

    @property
    def positions(self) -> Tensor:
        """int64 [n]."""
        return self._positions

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Write each span behind its slot's tokens and attend to all of the slot up to each token."""
        cache = self._cache
        all_keys, all_values = cache.layers[layer]
        answers: list[Tensor] = []
        for at, span, causal in self._spans:
            keys, values = cache.slot_of(all_keys, span.slot), cache.slot_of(all_values, span.slot)
            new_keys, new_values = key.narrow(0, at, span.count), value.narrow(0, at, span.count)
            keys.narrow(1, span.start, span.count).copy_(new_keys.transpose(0, 1))
            values.narrow(1, span.start, span.count).copy_(new_values.transpose(0, 1))
            end = span.start + span.count
            seen_keys, seen_values = keys.narrow(1, 0, end)[None], values.narrow(1, 0, end)[None]
            own = query.narrow(0, at, span.count)[None]
            answers.append(_grouped(own, seen_keys, seen_values, causal)[0])
        return answers[0] if len(answers) == 1 else torch.cat(answers)


@dataclass(frozen=True, slots=True, eq=False)
class TokenRows:
    """Rows of new tokens, one behind the other, and where a cache holds them.

    Everything that differs between two passes of one shape is in tensors on the device: a captured pass is given other
    numbers. What fills a shape up - tokens behind the last row, rows without a sequence - has the cache's scrap place.
    """

    positions: Tensor
    """int32 [n]: place of each token in its own sequence."""
    places: Tensor
    """int32 [n]: where in the cache each token's key and value lie."""
    ends: Tensor
    """int32 [rows + 1]: new tokens before each row, and of all."""
    begins: Tensor
    """int32 [rows + 1]: where in the cache each row's sequence begins; the last is the scrap place."""
    lengths: Tensor
    """int32 [rows]: tokens that each row's sequence holds, the new ones among them."""
    most_new: int
    """No row has more new tokens."""
    most_held: int
    """No sequence holds more."""


class Attention(Protocol):
    """Attention of rows of any lengths to what a cache holds of each, in one call."""

    def __call__(self, query: Tensor, keys: Tensor, values: Tensor, rows: TokenRows) -> Tensor:
        """Answer queries.

        Args:
            query: [n, heads, d].
            keys: [places, kv_heads, d]; the new tokens' are there already. ``values`` likewise.
            values: as ``keys``.
            rows: each token attends to its own sequence up to itself.

        Returns:
            [n, heads, d]; of tokens behind the last row: anything.
        """
        ...


def gathered_attention(query: Tensor, keys: Tensor, values: Tensor, rows: TokenRows) -> Tensor:
    """The reference for :class:`Attention`, of fixed shapes: it looks at ``most_held`` places for every token."""
    tokens = torch.arange(query.shape[0], dtype=torch.int32, device=query.device)
    row = torch.searchsorted(rows.ends, tokens, right=True) - 1
    ahead = torch.arange(rows.most_held, dtype=torch.int32, device=query.device)
    held = (rows.begins[row][:, None] + ahead).clamp_(max=keys.shape[0] - 1)
    seen = ahead <= rows.positions[:, None]
    sides = keys[held].transpose(1, 2), values[held].transpose(1, 2)
    return _grouped(query[:, None], *sides, seen[:, None, None])[:, 0]


def flash_attention(query: Tensor, keys: Tensor, values: Tensor, rows: TokenRows) -> Tensor:
    """Implements :class:`Attention` with FlashAttention 2 (Dao 2023) as torch has it: 16-bit numbers on a GPU.

    Given ``seqused_k``, it takes each row's first key where ``cum_seq_k`` says and as many as are used: sequences may
    lie anywhere. It is causal from the end. Where a row has one query at most, torch lays the heads out anew by three
    copies; sequences of speech are short enough to do without.
    """
    return torch.ops.aten._flash_attention_forward(
        query,
        keys,
        values,
        rows.ends,
        rows.begins,
        max(2, rows.most_new),
        rows.most_held,
        0.0,
        True,
        False,
        seqused_k=rows.lengths,
    )[0]


def attention_of(cache: KvCache) -> Attention:
    """The call that is fit for a captured pass over the cache."""
    return flash_attention if is_flash_fit(cache.keys) else gathered_attention


def is_flash_fit(tensor: Tensor) -> bool:
    """Whether there is a call for such numbers that answers rows of any lengths at the cost of what they hold."""
    return tensor.device.type != "cpu" and tensor.dtype in (torch.bfloat16, torch.float16)


class RowsPlan:
    """Implements :class:`AttentionPlan` with one call for all rows, whether captured or not."""

    def __init__(self, layers: KvLayers, rows: TokenRows, attention: Attention) -> None:
        """Plan a pass; ``layers`` are the keys and values of each, [places, kv_heads, d]."""
        self.layers = layers
        self.rows = rows
        self.attention = attention

    @property
    def positions(self) -> Tensor:
        """int32 [n]."""
        return self.rows.positions

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """As the protocol says."""
        keys, values = self.layers[layer]
        places = (self.rows.places,)
        keys.index_put_(places, key)
        values.index_put_(places, value)
        return self.attention(query, keys, values, self.rows)


def _causal(span: TokenSpan, device: torch.device) -> Tensor | None:
    """bool [1, 1, count, start + count]; None where the only new token sees everything."""
    if span.count == 1:
        return None
    seen = torch.ones(span.count, span.start + span.count, dtype=torch.bool, device=device)
    return seen.tril(span.start)[None, None]


def _grouped(query: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None) -> Tensor:
    """Attention with groups of query heads per KV head.

    Args:
        query: [rows, n, heads, d].
        keys: [rows, kv_heads, length, d]; ``values`` likewise.
        seen: bool [rows or 1, 1, n, length]; None: everything.

    Returns:
        [rows, n, heads, d].
    """
    rows, n, heads, width = query.shape
    kv_heads = keys.shape[1]
    group = heads // kv_heads
    if n == 1:  # the groups lie side by side already
        answer = scaled_dot_product_attention(
            query.reshape(rows, kv_heads, group, width), keys, values, attn_mask=seen
        )
        return answer.reshape(rows, 1, heads, width)
    side_by_side = query.reshape(rows, n, kv_heads, group, width).permute(0, 2, 3, 1, 4)
    mask = None if seen is None else seen.repeat(1, 1, group, 1)
    answer = scaled_dot_product_attention(
        side_by_side.reshape(rows, kv_heads, group * n, width), keys, values, attn_mask=mask
    )
    spread = answer.reshape(rows, kv_heads, group, n, width).permute(0, 3, 1, 2, 4)
    return spread.reshape(rows, n, heads, width)
