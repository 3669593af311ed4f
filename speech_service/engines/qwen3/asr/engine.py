"""The recognition engine: continuous batching at one decoder pass.

A step is three verbs: begin what waits -> feed every running sequence (a piece of its prompt, or its newest token and
what is proposed after it) in one pass -> settle what a pass chose. Sequences join and leave between any two passes. On
a GPU the pass before is settled while the new one runs (``runtimes/pacing.py``).
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speech_service.domain.errors import InternalError
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    Work,
    WorkDone,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from speech_service.engines.qwen3.asr.forward import NEWEST, Choices, Feed, Forward, Underway
from speech_service.engines.qwen3.asr.output import parse
from speech_service.engines.qwen3.asr.proposing import Proposer
from speech_service.engines.qwen3.asr.reading import SegmentReader
from speech_service.engines.qwen3.asr.running import AsrLimits, Running
from speech_service.engines.qwen3.tokenizer import QwenTokenizer
from speech_service.engines.runtimes.pacing import Pace
from speech_service.engines.runtimes.torch import raise_if_lost

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class AsrTurn:
    """One pass, and who was fed in it. None may follow where tokens are proposed, which rests on what was chosen."""

    fed: Sequence[tuple[Running, Feed]]
    underway: Underway
    may_be_followed: bool


@dataclass(frozen=True, slots=True)
class AsrParts:
    """What the engine is composed of; ``reader`` and ``forward`` share one cache."""

    reader: SegmentReader
    forward: Forward
    proposer: Proposer
    tokenizer: QwenTokenizer
    ends: Collection[int]
    """Tokens that end an answer."""
    limits: AsrLimits
    pace: Pace[AsrTurn]


class AsrEngine:
    """Implements ``protocols.Engine``."""

    def __init__(self, capabilities: ModelCapabilities, parts: AsrParts) -> None:
        self._capabilities = capabilities
        self._parts = parts
        self._waiting: list[RecognizeWork] = []
        self._running: dict[str, Running] = {}
        self._events: list[WorkEvent] = []

    @property
    def capabilities(self) -> ModelCapabilities:
        """``max_batch`` is more than run at once: urgent work must get in to take a place."""
        return self._capabilities

    def admit(self, work: Work) -> None:
        """Take work in; it begins with one of the next steps, by class, then by arrival."""
        assert isinstance(work, RecognizeWork), "the scheduler sends a model its own kind of work"
        self._waiting.append(work)
        self._waiting.sort(key=lambda each: each.work_class)

    def abort(self, work_id: str) -> None:
        """Forget the item; its slot is free at once."""
        self._waiting = [work for work in self._waiting if work.work_id != work_id]
        self._leave(work_id, keep=False)

    @torch.inference_mode()
    def step(self) -> Sequence[WorkEvent]:
        """Begin, feed, settle."""
        self._events = []
        self._preempt()
        self._begin()
        for turn in self._parts.pace.due(self._turn()):
            self._settle_turn(turn)
        return self._events

    def _room(self) -> int:
        free = self._parts.limits.max_running - len(self._running)
        return min(free, self._parts.reader.available)

    def _preempt(self) -> None:
        """More urgent work takes the place of the least urgent that runs, where there is no other; one a step.

        What that one has decoded is its draft when it begins again: little is lost, and its text does not change.
        """
        if not self._waiting or not self._running or self._room() > 0:
            return
        last = max(self._running.values(), key=lambda each: (each.work.work_class, each.order))
        if last.work.work_class > self._waiting[0].work_class:
            self._leave(last.work.work_id, keep=False)
            self.admit(last.restarted())

    def _begin(self) -> None:
        """Begin what there is room for, up to the windows that one step may encode."""
        limits = self._parts.limits
        room, windows = self._room(), 0
        batch: list[RecognizeWork] = []
        while self._waiting and len(batch) < room:
            windows += limits.windows(self._waiting[0])
            if batch and windows > limits.windows_per_step:
                break
            work = self._waiting.pop(0)
            error = limits.refusal(work, self._parts.reader.head_tokens(work))
            if error is not None:
                self._events.append(WorkFailed(work.work_id, error))
                continue
            if work.kind is RecognizeKind.CHECK:
                self._events.append(WorkDone(work.work_id, Hypothesis("", (), ""), WorkTiming()))
                continue
            batch.append(work)
        if batch:
            self._start(batch)

    def _start(self, works: list[RecognizeWork]) -> None:
        """Read the works' audio in one batch; where that raises, find the one at fault."""
        begin_s = time.perf_counter()
        try:
            readings = self._parts.reader.open(works)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, too
            raise_if_lost(error)
            if len(works) == 1:
                logger.exception("the audio of one item could not be read")
                self._events.append(_failed(works[0].work_id))
                return
            self._start(works[: len(works) // 2])
            self._start(works[len(works) // 2 :])
            return
        encode_s, limits = time.perf_counter() - begin_s, self._parts.limits
        for work, reading in zip(works, readings, strict=True):
            longest = limits.answer_tokens(len(work.samples))
            repeated = limits.repeated_tokens(len(work.samples))
            self._running[work.work_id] = Running(work, reading, longest, repeated, encode_s)
        self._parts.proposer.open(works)

    def _turn(self) -> AsrTurn:
        """Begin a pass over what can be fed. None may follow before its choices are known, if they say what to feed."""
        feeds = self._feeds()
        underway = self._parts.forward.begin(list(feeds.values()))
        fed = [(self._running[work_id], feed) for work_id, feed in feeds.items()]
        for running, feed in fed:
            running.choosing += feed.asked > 0
        proposes = any(feed.asked > 1 for feed in feeds.values())
        answering = [running.work.work_id for running, feed in fed if feed.asked]
        may_be_followed = not proposes and not self._parts.proposer.may_propose(answering)
        return AsrTurn(fed, underway, may_be_followed)

    def _settle_turn(self, turn: AsrTurn) -> None:
        """Take what was chosen, but for those who have left meanwhile; where all have, nobody waits."""
        alive = [self._running.get(running.work.work_id) is running for running, _ in turn.fed]
        if not any(alive):
            return
        for (running, feed), choice, lives in zip(
            turn.fed, turn.underway.choices(), alive, strict=True
        ):
            if lives:
                self._settle(running, feed, choice)

    def _feeds(self) -> dict[str, Feed]:
        """What each sequence is fed: a piece of its prompt, or what is new and proposed.

        A step's budget goes to the most urgent first. Where it is used up, prompts wait for the next step, and answers
        grow by the one token that they grow by without proposals.
        """
        budget = self._parts.limits.prefill_tokens
        states: dict[str, Tensor | None] = {}
        answering: dict[str, Sequence[int]] = {}
        urgent = sorted(self._running.items(), key=lambda item: item[1].work.work_class)
        for work_id, running in urgent:
            if running.reading.pending is not None:
                if budget <= 0:
                    continue
                part = running.reading.take(budget)
                budget -= 0 if part is None else part.shape[0]
                states[work_id] = part
            elif running.will_end:
                continue
            else:
                states[work_id] = None
            if running.reading.pending is None and not running.choosing:
                answering[work_id] = running.tokens
        proposed = self._parts.proposer.propose(answering)
        feeds: dict[str, Feed] = {}
        for work_id, part in states.items():
            some = proposed.get(work_id, ())[: max(0, budget)]
            feed = self._feed(self._running[work_id], part, some)
            budget -= max(0, feed.asked - 1)
            feeds[work_id] = feed
        return feeds

    def _feed(self, running: Running, states: Tensor | None, proposed: Sequence[int]) -> Feed:
        slot = running.reading.slot
        if running.reading.pending is not None:
            return Feed(slot, states, (), 0)
        if running.choosing:
            return Feed(slot, states, (NEWEST,), 1)
        room = running.max_tokens - len(running.tokens) - 1
        proposed = proposed[: max(0, min(room, self._parts.limits.max_proposed))]
        return Feed(slot, states, (*running.tokens[running.fed :], *proposed), 1 + len(proposed))

    def _settle(self, running: Running, feed: Feed, choice: Choices) -> None:
        work = running.work
        if choice is None:
            self._events.append(_failed(work.work_id))
            self._parts.reader.discard(running.reading)
            self._parts.proposer.close(work.work_id)
            del self._running[work.work_id]
            return
        if not feed.asked:
            return
        proposed = feed.tokens[len(feed.tokens) - feed.asked + 1 :]
        wrong = running.settle(proposed, choice, self._parts.ends)
        cache = self._parts.reader.cache
        cache.truncate(feed.slot, cache.length_of(feed.slot) - wrong)
        if running.ended:
            self._events.append(self._done(running))
            self._leave(work.work_id, keep=not work.is_last)

    def _done(self, running: Running) -> WorkDone:
        raw = self._parts.tokenizer.decode(running.tokens)
        answer = parse(raw, running.work.language)
        found = Hypothesis(
            answer.text, tuple(running.tokens), answer.language, is_cut_off=running.is_cut_off
        )
        return WorkDone(running.work.work_id, found, running.timing())

    def _leave(self, work_id: str, keep: bool) -> None:
        running = self._running.pop(work_id, None)
        if running is not None:
            self._parts.proposer.close(work_id)
            self._parts.reader.close(running.reading, keep)


def _failed(work_id: str) -> WorkFailed:
    return WorkFailed(work_id, InternalError("internal error"))
