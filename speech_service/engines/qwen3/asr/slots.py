"""Decoder passes of fixed shapes, which can be captured as CUDA graphs: that takes the host out of the loop.

A pass has as many rows as there are sequences, filled up to the next size; a row may be any slot. Sequences that are
fed one token each are a pass from token to choice. Prompts and proposals are a pass of the stack alone, as the head
is asked about few of their positions.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import embedding

from speech_service.engines.qwen3.asr.forward import (
    Choices,
    Feed,
    PackedForward,
    asked_states,
    choices_of,
    inputs_of,
    likeliest_of,
    spans_of,
)
from speech_service.engines.qwen3.asr.model import AsrModel
from speech_service.engines.qwen3.encoder.torch import fitting
from speech_service.engines.qwen3.nn.attention import Attention, RowsPlan, attention_of
from speech_service.engines.qwen3.nn.captured import (
    CapturedStack,
    PassSize,
    pass_table,
    prompt_sizes,
    row_sizes,
    table_rows,
)
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.runtimes.torch import Body, Capture, Device, raise_if_lost

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Shapes that passes may have; each ascends."""

    rows: tuple[int, ...]
    """Of sequences that are fed one token."""
    prompts: tuple[PassSize, ...]
    """Of all others; what fits none has the shape that it has."""

    @classmethod
    def fitting(cls, cache: KvCache, most_rows: int) -> "Sizes":
        """Close fits for so many sequences at once."""
        return cls(row_sizes(most_rows), prompt_sizes(cache))


class SlotForward:
    """Implements :class:`Forward`. Every pass is prepared when it is made."""

    def __init__(
        self,
        model: AsrModel,
        cache: KvCache,
        device: Device,
        capture: Capture,
        sizes: Sizes,
        attention: Attention | None = None,
    ) -> None:
        """Prepare all passes.

        Args:
            model: what is run.
            cache: of its sequences.
            device: where all of it is.
            capture: prepares bodies.
            sizes: the last number of rows is the most sequences at once.
            attention: None: what is fit for the cache.
        """
        self._model = model
        self._cache = cache
        self._device = device
        self._rows = sizes.rows
        self._attention = attention = attention or attention_of(cache)
        self._packed = PackedForward(model, cache, device)
        self._stack = CapturedStack(model.stack, cache, device, capture, sizes.prompts, attention)
        self._steps: dict[int, Body] = {
            rows: capture(self._body(rows), [self._table((), rows).to(device.where)])
            for rows in reversed(sizes.rows)
        }

    def run(self, feeds: Sequence[Feed]) -> Sequence[Choices]:
        """As the protocol says: a pass for those who are fed one token, one for the rest; waits once."""
        singles = [feed for feed in feeds if _is_step(feed)]
        rest = [feed for feed in feeds if not _is_step(feed)]
        ordered = [*singles, *rest]
        if not ordered:
            return ()
        try:
            choices = self._passes(singles, rest)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, too
            raise_if_lost(error)
            logger.exception("a pass of fixed shape failed; its sequences are tried packed")
            choices = self._packed.run(ordered)
        else:
            for feed, choice in zip(ordered, choices, strict=True):
                if choice is not None:
                    self._cache.extend(feed.slot, feed.length)
        answers = dict(zip((feed.slot for feed in ordered), choices, strict=True))
        return [answers[feed.slot] for feed in feeds]

    def _passes(self, singles: Sequence[Feed], rest: Sequence[Feed]) -> Sequence[Choices]:
        found: list[Tensor] = []
        most = self._rows[-1]
        for at in range(0, len(singles), most):
            part = singles[at : at + most]
            rows = fitting(self._rows, len(part))
            table = self._device.stage(self._table(part, rows))
            found.append(self._steps[rows](table)[: len(part)])
        if rest:
            fed = inputs_of(self._model, self._device, rest)
            states = self._stack(fed, spans_of(self._cache, rest))
            if any(feed.asked for feed in rest):
                found.append(likeliest_of(self._model, asked_states(states, self._device, rest)))
        likeliest: list[int] = torch.cat(found).tolist() if found else []
        return choices_of(likeliest, [*singles, *rest])

    def _table(self, feeds: Sequence[Feed], rows: int) -> Tensor:
        """What a step has to know: the rows' tokens, then their places."""
        tokens = [*chain.from_iterable(feed.tokens for feed in feeds), *[0] * (rows - len(feeds))]
        table = pass_table(self._cache, spans_of(self._cache, feeds), PassSize(rows, rows))
        return torch.tensor([*tokens, *table], dtype=torch.int32)

    def _body(self, rows: int) -> Body:
        """One pass over a table, from the rows' tokens to their likeliest next ones, int64 [rows]."""
        model, cache, attention = self._model, self._cache, self._attention

        def body(table: Tensor) -> Tensor:
            size = PassSize(rows, rows)
            places = table_rows(table[rows:], size, 1, cache.length)
            states = model.stack(
                embedding(table[:rows], model.embedding), RowsPlan(cache.places, places, attention)
            )
            return likeliest_of(model, states)

        return body


def _is_step(feed: Feed) -> bool:
    return feed.states is None and feed.length == feed.asked == 1
