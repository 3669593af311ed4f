"""Plans: where the tokens of one forward pass stand, and what each may attend to.

A decoder stack works on a flat list of tokens and asks its plan for everything that depends on batches, positions
and caches. Queries that share a KV head are laid side by side in the sequence dimension, which makes grouped-query
attention (Ainslie et al. 2023) an ordinary one and copies no key.
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

from speech_service.engines.qwen3.nn.kv_cache import KvCache


class AttentionPlan(Protocol):
    """What a decoder stack needs to know of one forward pass of n tokens."""

    @property
    def positions(self) -> Tensor:
        """int64 [n]: place of each token in its own sequence."""
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


class PackedPlan:
    """Spans of any lengths, one behind the other: prefill, verification and decoding in one pass.

    Attention runs per sequence over what its slot really holds, so a sequence's numbers do not depend on its company.
    """

    def __init__(self, cache: KvCache, spans: Sequence[TokenSpan]) -> None:
        device = cache.keys.device
        self._cache = cache
        self._spans = tuple(spans)
        places = [range(span.start, span.start + span.count) for span in spans]
        self._positions = torch.tensor(list(chain(*places)), device=device)
        self._causal = [_causal(span, device) for span in spans]

    @property
    def positions(self) -> Tensor:
        """int64 [n]."""
        return self._positions

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Write each span behind its slot's tokens and attend to all of the slot up to each token."""
        all_keys, all_values = self._cache.layers[layer]
        answers: list[Tensor] = []
        at = 0
        for span, causal in zip(self._spans, self._causal, strict=True):
            keys, values = all_keys[span.slot], all_values[span.slot]
            keys.narrow(1, span.start, span.count).copy_(_own(key, at, span).transpose(0, 1))
            values.narrow(1, span.start, span.count).copy_(_own(value, at, span).transpose(0, 1))
            end = span.start + span.count
            seen_keys, seen_values = keys.narrow(1, 0, end)[None], values.narrow(1, 0, end)[None]
            answers.append(_grouped(_own(query, at, span)[None], seen_keys, seen_values, causal)[0])
            at += span.count
        return answers[0] if len(answers) == 1 else torch.cat(answers)


class SlotPlan:
    """``tokens`` new tokens for each of the first ``rows`` slots: fixed shapes, fit for a captured graph.

    ``starts`` (int64 [rows], on the device) may be changed between passes. A row that has nothing to do is given
    ``start = length - tokens``: what it writes there is never read, because no sequence may grow into that tail.
    ``reach`` bounds the part of the slots that is looked at.
    """

    def __init__(self, cache: KvCache, starts: Tensor, tokens: int, reach: int) -> None:
        self._cache = cache
        self._rows = starts.shape[0]
        self._tokens = tokens
        self._reach = reach
        device = cache.keys.device
        steps = torch.arange(tokens, device=device)
        self._places = starts[:, None] + steps
        self._row_index = torch.arange(self._rows, device=device)[:, None]
        seen = torch.arange(reach, device=device) <= self._places[:, :, None]
        self._seen = seen[:, None]

    @property
    def positions(self) -> Tensor:
        """int64 [rows * tokens]."""
        return self._places.reshape(-1)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """As :meth:`PackedPlan.attend`, for all rows at once."""
        rows, tokens = self._rows, self._tokens
        keys, values = self._cache.layers[layer]
        keys[self._row_index, :, self._places] = key.unflatten(0, (rows, tokens))
        values[self._row_index, :, self._places] = value.unflatten(0, (rows, tokens))
        answer = _grouped(
            query.unflatten(0, (rows, tokens)),
            keys[:rows, :, : self._reach],
            values[:rows, :, : self._reach],
            self._seen,
        )
        return answer.flatten(0, 1)


class PaddedPlan:
    """Rows of equal length without a cache, for training: token t attends to its row up to t."""

    def __init__(self, rows: int, tokens: int, device: torch.device | str = "cpu") -> None:
        self._rows = rows
        self._tokens = tokens
        self._positions = torch.arange(tokens, device=device).repeat(rows)
        self._causal = torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril()[
            None, None
        ]

    @property
    def positions(self) -> Tensor:
        """int64 [rows * tokens]."""
        return self._positions

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Causal attention inside each row; padding behind a row's end is never looked back at."""
        del layer
        shape = (self._rows, self._tokens)
        keys, values = (side.unflatten(0, shape).transpose(1, 2) for side in (key, value))
        return _grouped(query.unflatten(0, shape), keys, values, self._causal).flatten(0, 1)


def _own(x: Tensor, at: int, span: TokenSpan) -> Tensor:
    """The span's part of a flat list of tokens."""
    return x.narrow(0, at, span.count)


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
