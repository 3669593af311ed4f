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

import torch
from torch import Tensor
from torch.nn.functional import embedding

from speech_service.engines.qwen3.asr.forward import (
    NEWEST,
    Choices,
    Chosen,
    Feed,
    PackedForward,
    Underway,
    asked_of,
    choices_of,
    inputs_of,
    likeliest_of,
    spans_of,
    tokens_of,
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
from speech_service.engines.runtimes.torch import (
    Body,
    Capture,
    Coming,
    Device,
    raise_if_lost,
    staged,
)

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
        self._newest = torch.zeros(cache.slots + 1, dtype=torch.int32, device=device.where)
        """By slot: what was chosen last; the last slot is that of rows without a sequence."""
        self._stack = CapturedStack(model.stack, cache, device, capture, sizes.prompts, attention)
        self._steps: dict[int, Body] = {
            rows: capture(self._body(rows), staged(device, self._table((), rows)))
            for rows in reversed(sizes.rows)
        }

    def begin(self, feeds: Sequence[Feed]) -> Underway:
        """As the protocol says: a pass for those who are fed one token, one for the rest; waits for nothing."""
        singles = [feed for feed in feeds if _is_step(feed)]
        rest = [feed for feed in feeds if not _is_step(feed)]
        ordered = [*singles, *rest]
        if not ordered:
            return Chosen(())
        try:
            found = self._passes(singles, rest)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, too
            raise_if_lost(error)
            logger.exception("a pass of fixed shape failed; its sequences are tried packed")
            return Chosen(self._packed_choices(feeds))
        for feed in ordered:
            self._cache.extend(feed.slot, feed.length)
        return _Underway(feeds, ordered, self._device.fetch(found))

    def _passes(self, singles: Sequence[Feed], rest: Sequence[Feed]) -> Tensor:
        """Choices at all asked positions, int32 [n]. What has to be known for it goes to the device in one copy."""
        most = self._rows[-1]
        groups = [singles[at : at + most] for at in range(0, len(singles), most)]
        sizes = [fitting(self._rows, len(group)) for group in groups]
        steps = [self._table(*each) for each in zip(groups, sizes, strict=True)]
        parts = self._stack.parts(spans_of(self._cache, rest))
        own = (tokens_of(rest), asked_of(rest), [f.slot for f in rest for _ in range(f.asked)])
        tables = staged(self._device, *steps, *own, *(part.table for part in parts))
        found = [
            self._steps[rows](table)[: len(group)]
            for group, rows, table in zip(groups, sizes, tables[: len(groups)], strict=True)
        ]
        if rest:
            ids, asked, slots, *own_tables = tables[len(groups) :]
            states = self._stack(inputs_of(self._model, rest, ids), parts, own_tables)
            if len(asked):
                chosen = likeliest_of(self._model, states.index_select(0, asked)).int()
                self._newest.index_put_((slots,), chosen)
                found.append(chosen)
        return torch.cat(found) if found else self._newest[:0]

    def _packed_choices(self, feeds: Sequence[Feed]) -> Sequence[Choices]:
        """The packed passes' answers, of which later passes know."""
        packed = self._packed
        packed.newest = dict(enumerate(self._newest.tolist()))
        choices = packed.begin(feeds).choices()
        (newest,) = staged(self._device, list(packed.newest.values()))
        self._newest.copy_(newest)
        return choices

    def _table(self, feeds: Sequence[Feed], rows: int) -> list[int]:
        """What a step has to know: the rows' tokens and slots, then their places."""
        cache, spare = self._cache, rows - len(feeds)
        tokens = [*tokens_of(feeds), *[0] * spare]
        slots = [*(feed.slot for feed in feeds), *[cache.slots] * spare]
        return [*tokens, *slots, *pass_table(cache, spans_of(cache, feeds), PassSize(rows, rows))]

    def _body(self, rows: int) -> Body:
        """One pass over a table, from the rows' tokens to their likeliest next ones, int32 [rows]."""
        model, cache, attention, newest = self._model, self._cache, self._attention, self._newest

        def body(table: Tensor) -> Tensor:
            size = PassSize(rows, rows)
            tokens, slots, places = table.split((rows, rows, size.numbers))
            # A row whose numbers are not finite has chosen -1; what becomes of it is read by nobody.
            tokens = torch.where(tokens == NEWEST, newest[slots], tokens).clamp_(min=0)
            plan = RowsPlan(cache.places, table_rows(places, size, 1, cache.length), attention)
            chosen = likeliest_of(
                model, model.stack(embedding(tokens, model.embedding), plan)
            ).int()
            newest.index_put_((slots,), chosen)
            return chosen

        return body


class _Underway:
    """Implements :class:`Underway` for choices on their way to the host."""

    def __init__(self, feeds: Sequence[Feed], ordered: Sequence[Feed], coming: Coming) -> None:
        self._feeds = feeds
        self._ordered = ordered
        self._coming = coming

    def choices(self) -> Sequence[Choices]:
        """As the protocol says."""
        chosen = choices_of(self._coming.here().tolist(), self._ordered)
        answers = dict(zip((feed.slot for feed in self._ordered), chosen, strict=True))
        return [answers[feed.slot] for feed in self._feeds]


def _is_step(feed: Feed) -> bool:
    return feed.states is None and feed.length == feed.asked == 1
