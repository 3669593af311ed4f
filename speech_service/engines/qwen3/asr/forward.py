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
from speech_service.engines.qwen3.nn.attention import TokenSpan
from speech_service.engines.qwen3.nn.captured import plan_of
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.runtimes.torch import Device, raise_if_lost

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
    """All feeds in one pass of the lengths that come; where that raises, the halves are tried alone down to the one at
    fault.
    """

    def __init__(self, model: AsrModel, cache: KvCache, device: Device) -> None:
        self._model = model
        self._cache = cache
        self._device = device

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
        plan = plan_of(self._cache, self._device, spans_of(self._cache, feeds))
        states = self._model.stack(inputs_of(self._model, self._device, feeds), plan)
        if not any(feed.asked for feed in feeds):
            return [() for _ in feeds]
        likeliest = likeliest_of(self._model, asked_states(states, self._device, feeds))
        return choices_of(likeliest.tolist(), feeds)


def spans_of(cache: KvCache, feeds: Sequence[Feed]) -> list[TokenSpan]:
    """Where feeds go."""
    return [TokenSpan(feed.slot, cache.length_of(feed.slot), feed.length) for feed in feeds]


def inputs_of(model: AsrModel, device: Device, feeds: Sequence[Feed]) -> Tensor:
    """What the stack is fed, [n, hidden]."""
    ids = torch.tensor([token for feed in feeds for token in feed.tokens], dtype=torch.int64)
    tokens = model.embed(device.stage(ids))
    parts: list[Tensor] = []
    at = 0
    for feed in feeds:
        if feed.states is not None:
            parts.append(feed.states)
        parts.append(tokens[at : at + len(feed.tokens)])
        at += len(feed.tokens)
    return torch.cat(parts)


def asked_states(states: Tensor, device: Device, feeds: Sequence[Feed]) -> Tensor:
    """The states [n, hidden] whose next token is wanted."""
    asked: list[int] = []
    end = 0
    for feed in feeds:
        end += feed.length
        asked.extend(range(end - feed.asked, end))
    return states if len(asked) == len(states) else states[device.stage(torch.tensor(asked))]


def likeliest_of(model: AsrModel, states: Tensor) -> Tensor:
    """The likeliest next tokens of states [n, hidden], int64 [n]; -1 where their numbers are not finite."""
    best = model.head(states).max(dim=-1)
    return torch.where(best.values.isfinite(), best.indices, -1)


def choices_of(likeliest: Sequence[int], feeds: Sequence[Feed]) -> Sequence[Choices]:
    """The answers to feeds, of what is likeliest at their asked positions."""
    answers: list[Choices] = []
    at = 0
    for feed in feeds:
        own = tuple(likeliest[at : at + feed.asked])
        at += feed.asked
        answers.append(None if -1 in own else own)
    return answers
