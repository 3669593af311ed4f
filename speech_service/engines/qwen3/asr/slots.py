"""Decoder passes of fixed shapes: every slot takes part, whether it has something to do or not.

Such a pass can be captured as a CUDA graph, which takes the host out of the loop. Its shapes - rows, tokens
of each, how far back it looks - come from a small table. Prompts and long proposals are packed as before.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding

from speech_service.engines.qwen3.asr.forward import Choices, Feed, PackedForward
from speech_service.engines.qwen3.asr.model import AsrModel
from speech_service.engines.qwen3.encoder.torch import fitting, powers_of_two
from speech_service.engines.qwen3.nn.attention import SlotPlan
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.runtimes.torch import Body, Capture, Device, raise_if_lost

logger = logging.getLogger(__name__)

MOST_TOKENS = 16
"""Tokens of one row of the largest pass. A slot needs so many places that no sequence grows into."""
_LEAST_REACH = 256


@dataclass(frozen=True, slots=True)
class Sizes:
    """Shapes that passes may have; each ascends, the last covers everything."""

    rows: tuple[int, ...]
    tokens: tuple[int, ...]
    reach: tuple[int, ...]

    @classmethod
    def fitting(cls, cache: KvCache) -> "Sizes":
        """Close fits."""
        reach = [
            _LEAST_REACH << power for power in range(32) if _LEAST_REACH << power < cache.length
        ]
        return cls(powers_of_two(cache.slots), (1, 4, MOST_TOKENS), (*reach, cache.length))


class SlotForward:
    """Implements :class:`Forward`. Every pass is prepared when it is made."""

    def __init__(self, model: AsrModel, cache: KvCache, device: Device, capture: Capture) -> None:
        self._model = model
        self._cache = cache
        self._device = device
        self._sizes = sizes = Sizes.fitting(cache)
        self._packed = PackedForward(model, cache)
        self._passes: dict[tuple[int, int, int], Body] = {
            (rows, tokens, reach): capture(self._body(reach), [self._idle(rows, tokens)])
            for rows in reversed(sizes.rows)  # the largest first: the others fit into its memory
            for tokens in reversed(sizes.tokens)
            for reach in reversed(sizes.reach)
        }

    def run(self, feeds: Sequence[Feed]) -> Sequence[Choices]:
        """As the protocol says: one pass for what fits, one for the rest."""
        most = self._sizes.tokens[-1]
        steps = [feed for feed in feeds if feed.states is None and feed.length <= most]
        rest = [feed for feed in feeds if feed.states is not None or feed.length > most]
        answers = dict(zip((feed.slot for feed in steps), self._steps(steps), strict=True))
        answers |= zip((feed.slot for feed in rest), self._packed.run(rest), strict=True)
        return [answers[feed.slot] for feed in feeds]

    def _steps(self, feeds: Sequence[Feed]) -> Sequence[Choices]:
        if not feeds:
            return ()
        try:
            chosen, finite = self._pass(feeds)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, too
            raise_if_lost(error)
            logger.exception("a pass of fixed shape failed; its sequences are tried packed")
            return self._packed.run(feeds)
        answers: list[Choices] = []
        for feed in feeds:
            asked = slice(feed.length - feed.asked, feed.length)
            if not all(finite[feed.slot][asked]):
                answers.append(None)
                continue
            self._cache.extend(feed.slot, feed.length)
            answers.append(tuple(chosen[feed.slot][asked]))
        return answers

    def _pass(self, feeds: Sequence[Feed]) -> tuple[list[list[int]], list[list[int]]]:
        """Choices by slot and token, and whether their numbers are finite."""
        cache, sizes = self._cache, self._sizes
        rows = fitting(sizes.rows, 1 + max(feed.slot for feed in feeds))
        tokens = fitting(sizes.tokens, max(feed.length for feed in feeds))
        ends = (cache.length_of(feed.slot) + feed.length for feed in feeds)
        reach = fitting(sizes.reach, max(ends))
        table = [[cache.length - tokens] + [0] * tokens for _ in range(rows)]
        for feed in feeds:
            table[feed.slot][: 1 + feed.length] = [cache.length_of(feed.slot), *feed.tokens]
        staged = self._device.stage(torch.tensor(table))
        chosen, finite = self._passes[rows, tokens, reach](staged).tolist()
        return chosen, finite

    def _body(self, reach: int) -> Body:
        """One pass over a table int64 [rows, 1 + tokens]: what each slot holds, then its tokens.

        Its result is int64 [2, rows, tokens]: the likeliest next tokens, and 1 where their numbers are finite.
        """
        stack, head, embed, cache = (
            self._model.stack,
            self._model.head,
            self._model.embedding,
            self._cache,
        )

        def body(table: Tensor) -> Tensor:
            tokens = table[:, 1:]
            plan = SlotPlan(cache, table[:, 0], tokens.shape[1], reach)
            states = stack(embedding(tokens.reshape(-1), embed), plan)
            best = head(states).max(dim=-1)
            found = torch.stack([best.indices, best.values.isfinite().to(torch.int64)])
            return found.view(2, *tokens.shape)

        return body

    def _idle(self, rows: int, tokens: int) -> Tensor:
        """A table that changes nothing: all rows write behind what any sequence may fill."""
        table = torch.zeros(rows, 1 + tokens, dtype=torch.int64, device=self._device.where)
        table[:, 0] = self._cache.length - tokens
        return table
