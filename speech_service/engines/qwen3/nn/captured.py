"""Passes of a decoder stack in shapes from a small table, fit for captured graphs.

A pass takes rows of any lengths up to a number of tokens and of rows; what fills its shape up is computed for nobody.
All that a pass has to know is one tensor of the host's, staged in one copy.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from speech_service.engines.qwen3.nn.attention import (
    Attention,
    AttentionPlan,
    RowsPlan,
    SpanPlan,
    TokenRows,
    TokenSpan,
    attention_of,
    is_flash_fit,
)
from speech_service.engines.qwen3.nn.block import DecoderStack
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.runtimes.torch import Body, Capture, Device, staged

_SIZES_OF_TOKENS = (16, 64, 128, 256, 512, 1024, 2048)
_TOKENS_OF_A_ROW = 4
_MOST_ROWS = 64


@dataclass(frozen=True, slots=True)
class PassSize:
    """What one pass takes."""

    tokens: int
    rows: int

    @property
    def numbers(self) -> int:
        """Length of its table."""
        return 2 * self.tokens + 3 * self.rows + 2


def row_sizes(most: int) -> tuple[int, ...]:
    """Numbers of rows, each with one token, up to ``most``: 1, 2, 4, 8, then steps that waste a third at most."""
    sizes = [size for size in (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192) if size < most]
    sizes += range(256, most, 128)
    return (*sizes, most)


def prompt_sizes(cache: KvCache) -> tuple[PassSize, ...]:
    """Shapes for rows of more than one token; none where a call of fixed shape costs more than what is really held."""
    if not is_flash_fit(cache.keys):
        return ()
    return tuple(
        PassSize(tokens, min(tokens // _TOKENS_OF_A_ROW, _MOST_ROWS, cache.slots))
        for tokens in _SIZES_OF_TOKENS
    )


def pass_table(cache: KvCache, spans: Sequence[TokenSpan], size: PassSize) -> list[int]:
    """What a pass of the size has to know of spans, which it must have room for; none: it writes to the scrap place.

    Returns:
        the numbers of :class:`TokenRows`, one tensor behind the other.
    """
    positions: list[int] = []
    places: list[int] = []
    ends, begins, lengths = [0], list[int](), list[int]()
    for span in spans:
        first, end = cache.place(span.slot), span.start + span.count
        positions.extend(range(span.start, end))
        places.extend(range(first + span.start, first + end))
        ends.append(len(positions))
        begins.append(first)
        lengths.append(end)
    tokens, rows, scrap = size.tokens - len(positions), size.rows - len(spans), [cache.scrap]
    ends += [len(positions)] * rows
    filled = (positions, [0] * tokens, places, scrap * tokens, ends)
    filled = (*filled, begins, scrap * (rows + 1), lengths, [0] * rows)
    return list(chain.from_iterable(filled))


def table_rows(table: Tensor, size: PassSize, most_new: int, most_held: int) -> TokenRows:
    """A staged table as views of its parts: no kernel runs."""
    tokens, rows = size.tokens, size.rows
    parts = table.split((tokens, tokens, rows + 1, rows + 1, rows))
    return TokenRows(*parts, most_new=most_new, most_held=most_held)


def plan_of(cache: KvCache, device: Device, spans: Sequence[TokenSpan]) -> AttentionPlan:
    """The plan of a pass that is not captured."""
    size = PassSize(sum(span.count for span in spans), len(spans))
    if not is_flash_fit(cache.keys):
        return SpanPlan(cache, spans)
    (table,) = staged(device, pass_table(cache, spans, size))
    return planned(cache, spans, table, size)


def planned(
    cache: KvCache, spans: Sequence[TokenSpan], table: Tensor, size: PassSize
) -> AttentionPlan:
    """The same, where the spans' table is on the device."""
    if not is_flash_fit(cache.keys):
        return SpanPlan(cache, spans)
    most_new = max(span.count for span in spans)
    rows = table_rows(table, size, most_new, cache.length)
    return RowsPlan(cache.places, rows, attention_of(cache))


@dataclass(frozen=True, slots=True)
class StackPart:
    """Spans that are run together."""

    spans: Sequence[TokenSpan]
    tokens: int
    size: PassSize
    """Of the captured pass that takes them, or their own."""
    table: Sequence[int]
    """See :func:`pass_table`."""


class CapturedStack:
    """Passes over rows of any lengths, captured when it is made; the largest first, as others use its memory again."""

    def __init__(
        self,
        stack: DecoderStack,
        cache: KvCache,
        device: Device,
        capture: Capture,
        sizes: Sequence[PassSize],
        attention: Attention | None = None,
    ) -> None:
        """Capture.

        Args:
            stack: what is run.
            cache: of its sequences.
            device: where all of it is.
            capture: prepares bodies.
            sizes: ascending; none: nothing is captured, and passes have the lengths that come.
            attention: None: what is fit for the cache.
        """
        self._stack = stack
        self._cache = cache
        self._device = device
        self._attention = attention or attention_of(cache)
        self._passes: dict[PassSize, Body] = {
            size: capture(self._body(size), self._examples(size)) for size in reversed(sizes)
        }
        self._sizes = tuple(sizes)

    def parts(self, spans: Sequence[TokenSpan]) -> list["StackPart"]:
        """What is run for spans, whose order stays: as much at once as the largest pass takes, or one longer span."""
        return [self._part(each) for each in self._split(spans)] if spans else []

    def __call__(
        self, fed: Tensor, parts: Sequence["StackPart"], tables: Sequence[Tensor]
    ) -> Tensor:
        """Run parts, one behind the other: [n, hidden] -> states [n, hidden].

        ``tables`` are those of the parts, on the device. Lengths of slots are not changed.
        """
        counts = [part.tokens for part in parts]
        given = zip(fed.split(counts), parts, tables, strict=True)
        states = [self._run(*each) for each in given]
        return states[0] if len(states) == 1 else torch.cat(states)

    def _split(self, spans: Sequence[TokenSpan]) -> list[list[TokenSpan]]:
        if not self._sizes:
            return [list(spans)]
        most = self._sizes[-1]
        parts: list[list[TokenSpan]] = []
        tokens = 0
        for span in spans:
            tokens += span.count
            if not parts or tokens > most.tokens or len(parts[-1]) == most.rows:
                parts.append([])
                tokens = span.count
            parts[-1].append(span)
        return parts

    def _part(self, spans: Sequence[TokenSpan]) -> "StackPart":
        tokens = sum(span.count for span in spans)
        fits = (s for s in self._sizes if s.tokens >= tokens and s.rows >= len(spans))
        size = next(fits, None) or PassSize(tokens, len(spans))
        return StackPart(spans, tokens, size, pass_table(self._cache, spans, size))

    def _run(self, fed: Tensor, part: "StackPart", table: Tensor) -> Tensor:
        captured = self._passes.get(part.size)
        if captured is None:
            return self._stack(fed, planned(self._cache, part.spans, table, part.size))
        whole = fed.new_zeros(part.size.tokens, fed.shape[1])
        whole[: part.tokens] = fed
        return captured(whole, table)[: part.tokens]

    def _body(self, size: PassSize) -> Body:
        cache, attention = self._cache, self._attention

        def body(fed: Tensor, table: Tensor) -> Tensor:
            rows = table_rows(table, size, size.tokens, cache.length)
            return self._stack(fed, RowsPlan(cache.places, rows, attention))

        return body

    def _examples(self, size: PassSize) -> tuple[Tensor, Tensor]:
        """Tokens for nobody, in the scrap place."""
        cache, where = self._cache, self._device.where
        hidden = self._stack.shape.hidden_size
        fed = torch.zeros(size.tokens, hidden, dtype=cache.keys.dtype, device=where)
        return fed, torch.tensor(pass_table(cache, (), size), dtype=torch.int32, device=where)
