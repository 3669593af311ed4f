"""One pass of the decoder over what several sequences feed it; a failure is traced to its sequence."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from speech_service.engines.qwen3.asr.model import AsrModel
from speech_service.engines.qwen3.nn.attention import PackedPlan, TokenSpan
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.runtimes.torch import raise_if_lost

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """What one sequence puts behind its slot's tokens, in this order: states, then tokens.

    ``asked`` counts the last positions whose next token is wanted; 0 in the middle of a long prefill.
    """

    slot: int
    states: Tensor | None
    tokens: tuple[int, ...]
    asked: int

    @property
    def length(self) -> int:
        """Positions that it fills."""
        return len(self.tokens) + (0 if self.states is None else self.states.shape[0])


Choices = tuple[int, ...] | None
"""The likeliest next token at each asked position; None: the sequence's numbers are not finite or its pass failed."""


class Forward(Protocol):
    """Runs feeds and counts them into their slots."""

    def run(self, feeds: Sequence[Feed]) -> Sequence[Choices]:
        """One answer per feed. A feed that failed has left its slot's length as it was."""
        ...


class PackedForward:
    """All feeds in one packed pass; where that raises, the halves are tried alone down to the one at fault."""

    def __init__(self, model: AsrModel, cache: KvCache) -> None:
        self._model = model
        self._cache = cache

    def run(self, feeds: Sequence[Feed]) -> Sequence[Choices]:
        """As the protocol says. Lengths change only after a pass, so trying again is safe."""
        if not feeds:
            return ()
        try:
            choices = self._pass(feeds)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, too
            raise_if_lost(error)
            if len(feeds) == 1:
                logger.exception("a decoder pass failed")
                return (None,)
            half = len(feeds) // 2
            return (*self.run(feeds[:half]), *self.run(feeds[half:]))
        for feed, choice in zip(feeds, choices, strict=True):
            if choice is not None:
                self._cache.extend(feed.slot, feed.length)
        return choices

    def _pass(self, feeds: Sequence[Feed]) -> Sequence[Choices]:
        spans = [TokenSpan(f.slot, self._cache.length_of(f.slot), f.length) for f in feeds]
        states = self._model.stack(self._inputs(feeds), PackedPlan(self._cache, spans))
        asked: list[int] = []
        end = 0
        for feed in feeds:
            end += feed.length
            asked.extend(range(end - feed.asked, end))
        if not asked:
            return [() for _ in feeds]
        if len(asked) < states.shape[0]:
            states = states[torch.tensor(asked, device=states.device)]
        return self.choose(self._model.head(states), feeds)

    def _inputs(self, feeds: Sequence[Feed]) -> Tensor:
        tokens = self._model.embed([token for feed in feeds for token in feed.tokens])
        parts: list[Tensor] = []
        at = 0
        for feed in feeds:
            if feed.states is not None:
                parts.append(feed.states)
            parts.append(tokens[at : at + len(feed.tokens)])
            at += len(feed.tokens)
        return torch.cat(parts)

    @staticmethod
    def choose(logits: Tensor, feeds: Sequence[Feed]) -> Sequence[Choices]:
        """Greedy choice for logits [sum of asked, vocabulary]; the one place that waits for the device."""
        best = logits.max(dim=-1)
        tokens = best.indices.tolist()
        finite = best.values.isfinite().tolist()
        answers: list[Choices] = []
        at = 0
        for feed in feeds:
            part = slice(at, at + feed.asked)
            at += feed.asked
            answers.append(tuple(tokens[part]) if all(finite[part]) else None)
        return answers
