"""One pass of the decoder over what several sequences feed it; a failure is traced to its sequence."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from speech_service.engines.qwen3.asr.model import AsrModel
from speech_service.engines.qwen3.nn.attention import TokenSpan
from speech_service.engines.qwen3.nn.captured import plan_of
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.runtimes.torch import Device, raise_if_lost, staged

logger = logging.getLogger(__name__)


NEWEST = -1
"""Fed in place of a token: the one that was chosen last for the slot, whether the host has seen it or not."""


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """What one sequence puts behind its slot's tokens, in this order: states, then tokens.

    ``asked`` counts the last positions whose next token is wanted; 0 in the middle of a long prefill. Behind a feed
    that asks for one token there may be another that feeds ``NEWEST``.
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


class Underway(Protocol):
    """A pass that has begun."""

    def choices(self) -> Sequence[Choices]:
        """Wait for one answer per feed."""
        ...


class Forward(Protocol):
    """Runs feeds and counts them into their slots."""

    def begin(self, feeds: Sequence[Feed]) -> Underway:
        """Begin a pass. What a slot holds of a feed whose answer is None is not known: it is to be cleared."""
        ...


class Chosen:
    """Implements :class:`Underway` for a pass that is over."""

    def __init__(self, choices: Sequence[Choices]) -> None:
        self._choices = choices

    def choices(self) -> Sequence[Choices]:
        """They are there."""
        return self._choices


class PackedForward:
    """All feeds in one pass of the lengths that come; where that raises, the halves are tried alone down to the one at
    fault.
    """

    def __init__(self, model: AsrModel, cache: KvCache, device: Device) -> None:
        self._model = model
        self._cache = cache
        self._device = device
        self.newest: dict[int, int] = {}
        """By slot: what was chosen last."""

    def begin(self, feeds: Sequence[Feed]) -> Chosen:
        """As the protocol says; it is over when this returns."""
        return Chosen(self._run([_spelt(feed, self.newest) for feed in feeds]))

    def _run(self, feeds: Sequence[Feed]) -> Sequence[Choices]:
        """Lengths change only after a pass, so trying again is safe."""
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
            return (*self._run(feeds[:half]), *self._run(feeds[half:]))
        for feed, choice in zip(feeds, choices, strict=True):
            if choice is not None:
                self._cache.extend(feed.slot, feed.length)
                self.newest[feed.slot] = choice[-1] if choice else 0
        return choices

    def _pass(self, feeds: Sequence[Feed]) -> Sequence[Choices]:
        ids, asked = staged(self._device, tokens_of(feeds), asked_of(feeds))
        plan = plan_of(self._cache, self._device, spans_of(self._cache, feeds))
        states = self._model.stack(inputs_of(self._model, feeds, ids), plan)
        if not len(asked):
            return [() for _ in feeds]
        states = states if len(asked) == len(states) else states.index_select(0, asked)
        return choices_of(likeliest_of(self._model, states).tolist(), feeds)


def _spelt(feed: Feed, newest: Mapping[int, int]) -> Feed:
    if NEWEST not in feed.tokens:
        return feed
    known = newest.get(feed.slot, 0)  # a slot without one has failed, and is read by nobody
    return replace(feed, tokens=tuple(known if t == NEWEST else t for t in feed.tokens))


def spans_of(cache: KvCache, feeds: Sequence[Feed]) -> list[TokenSpan]:
    """Where feeds go."""
    return [TokenSpan(feed.slot, cache.length_of(feed.slot), feed.length) for feed in feeds]


def tokens_of(feeds: Sequence[Feed]) -> list[int]:
    """The tokens of all feeds."""
    return [token for feed in feeds for token in feed.tokens]


def asked_of(feeds: Sequence[Feed]) -> list[int]:
    """Positions whose next token is wanted."""
    asked: list[int] = []
    end = 0
    for feed in feeds:
        end += feed.length
        asked.extend(range(end - feed.asked, end))
    return asked


def inputs_of(model: AsrModel, feeds: Sequence[Feed], ids: Tensor) -> Tensor:
    """What the stack is fed, [n, hidden]; ``ids`` are the feeds' tokens, where the model is."""
    tokens = model.embed(ids)
    parts: list[Tensor] = []
    at = 0
    for feed in feeds:
        if feed.states is not None:
            parts.append(feed.states)
        if feed.tokens:
            parts.append(tokens[at : at + len(feed.tokens)])
        at += len(feed.tokens)
    return parts[0] if len(parts) == 1 else torch.cat(parts)


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
