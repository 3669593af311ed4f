"""Strategies that propose tokens for a batch of sequences; whatever they propose, the text is that of greedy decoding.

Leviathan et al. 2023, "Fast inference from transformers via speculative decoding", greedy case. The previous partial as
the draft: each streaming update has almost all of its text already, and one pass over it says how much still holds.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from speech_service.domain.work import RecognizeWork
from speech_service.engines.decoding import Verify
from speech_service.engines.qwen3.asr.forward import NEWEST, Choices, Feed, Forward, Underway
from speech_service.engines.qwen3.asr.reading import SegmentReader, SegmentReading

Generated = Mapping[str, Sequence[int]]
"""Work id -> tokens generated so far, of the sequences that decode in this step."""


class Proposer(Protocol):
    """Told of every sequence; asked once a step."""

    def open(self, works: Sequence[RecognizeWork]) -> None:
        """Sequences begin."""
        ...

    def propose(self, generated: Generated) -> Mapping[str, Sequence[int]]:
        """Tokens that may follow, for those where there is something to propose."""
        ...

    def may_propose(self, work_ids: Collection[str]) -> bool:
        """Whether it may yet propose something for any of so many, once their newest tokens are known."""
        ...

    def close(self, work_id: str) -> None:
        """A sequence ended. Unknown ids are ignored."""
        ...


class Nothing:
    """Plain greedy decoding."""

    def open(self, works: Sequence[RecognizeWork]) -> None:
        """Nothing to prepare."""

    def propose(self, generated: Generated) -> Mapping[str, Sequence[int]]:
        """Nothing."""
        del generated
        return {}

    def may_propose(self, work_ids: Collection[str]) -> bool:
        """Never."""
        del work_ids
        return False

    def close(self, work_id: str) -> None:
        """Nothing to free."""


class PreviousPartial:
    """Proposes the segment's previous hypothesis, which comes with the work."""

    def __init__(self) -> None:
        self._verify: dict[str, Verify] = {}

    def open(self, works: Sequence[RecognizeWork]) -> None:
        """Take the drafts that came with the works."""
        self._verify |= {work.work_id: Verify(work.draft_tokens) for work in works}

    def propose(self, generated: Generated) -> Mapping[str, Sequence[int]]:
        """What follows in the hypothesis, for as long as decoding is on its track."""
        return {id_: self._verify[id_].propose(tokens) for id_, tokens in generated.items()}

    def may_propose(self, work_ids: Collection[str]) -> bool:
        """Until their hypotheses are behind them."""
        return any(not self._verify[id_].is_over for id_ in work_ids)

    def close(self, work_id: str) -> None:
        """Forget the draft."""
        self._verify.pop(work_id, None)


@dataclass(slots=True)
class _Drafting:
    """One sequence in the draft model."""

    reading: SegmentReading
    prompt_length: int = 0
    """Tokens of its slot before the answer; known once the prompt is fed."""
    fed: list[int] = field(default_factory=list[int])
    """Answer tokens that its slot holds."""


class DraftModel:
    """A smaller model, fed the same audio, decodes a few tokens ahead.

    Args:
        reader: over the draft model and its own cache, with as many slots as the engine runs sequences.
        forward: over the same.
        ahead: tokens proposed at a time.
        max_batch: with more sequences than this in a step it proposes nothing: a batch that large is bound by
            arithmetic, and a token that is rejected costs as much as one that is not.
    """

    def __init__(self, reader: SegmentReader, forward: Forward, ahead: int, max_batch: int) -> None:
        self._reader = reader
        self._forward = forward
        self._ahead = ahead
        self._max_batch = max_batch
        self._works: dict[str, RecognizeWork] = {}
        self._drafting: dict[str, _Drafting] = {}

    def open(self, works: Sequence[RecognizeWork]) -> None:
        """Remember the work; its audio is read once something is to be proposed."""
        self._works |= {work.work_id: work for work in works}

    def propose(self, generated: Generated) -> Mapping[str, Sequence[int]]:
        """``ahead`` tokens for each sequence, decoded in one batch."""
        if len(generated) > self._max_batch:
            return {}
        known = self._read([id_ for id_ in generated if id_ not in self._drafting])
        feeds = {
            id_: self._catch_up(id_, tokens) for id_, tokens in generated.items() if id_ in known
        }
        if not feeds:
            return {}
        begun: list[Underway] = []
        fed = [(id_, feed.tokens) for id_, feed in feeds.items()]
        for _ in range(self._ahead):
            begun.append(self._forward.begin(list(feeds.values())))
            feeds = {id_: Feed(feed.slot, None, (NEWEST,), 1) for id_, feed in feeds.items()}
        # Behind the last pass all are over: there is one wait.
        passes = [each.choices() for each in reversed(begun)][::-1]
        return {
            id_: found
            for (id_, tokens), chosen in zip(fed, zip(*passes, strict=True), strict=True)
            if (found := self._followed(id_, tokens, chosen))
        }

    def _followed(
        self, work_id: str, tokens: Sequence[int], chosen: Sequence[Choices]
    ) -> list[int]:
        """What passes chose one after the other, the first of which was fed ``tokens``; nothing where one failed."""
        found = [token for choice in chosen for token in choice or ()]
        if None in chosen:
            self._fail(work_id)
            return []
        self._drafting[work_id].fed += [*tokens, *found[:-1]]
        return found

    def may_propose(self, work_ids: Collection[str]) -> bool:
        """Where they are few."""
        return len(work_ids) <= self._max_batch

    def close(self, work_id: str) -> None:
        """Free the slot, keeping what the segment's next update can use."""
        work = self._works.pop(work_id, None)
        drafting = self._drafting.pop(work_id, None)
        if drafting is not None and work is not None:
            self._reader.close(drafting.reading, keep=not work.is_last)

    def _read(self, new: list[str]) -> set[str]:
        """Open readings for new sequences; returns all ids that the draft model follows."""
        new = [id_ for id_ in new if id_ in self._works][: self._reader.available]
        readings = self._reader.open([self._works[id_] for id_ in new]) if new else []
        self._drafting |= {i: _Drafting(r) for i, r in zip(new, readings, strict=True)}
        return set(self._drafting)

    def _catch_up(self, work_id: str, tokens: Sequence[int]) -> Feed:
        """Roll back what was not accepted; feed the prompt, if it is not, and what is not known yet."""
        drafting, cache = self._drafting[work_id], self._reader.cache
        slot = drafting.reading.slot
        states = drafting.reading.take(cache.length)
        if states is not None:
            drafting.prompt_length = cache.length_of(slot) + states.shape[0]
            return Feed(slot, states, tuple(tokens), 1)
        same = 0
        while same < min(len(drafting.fed), len(tokens)) and drafting.fed[same] == tokens[same]:
            same += 1
        same = min(same, len(tokens) - 1)
        drafting.fed = drafting.fed[:same]
        cache.truncate(slot, drafting.prompt_length + same)
        return Feed(slot, None, tuple(tokens[same:]), 1)

    def _fail(self, work_id: str) -> None:
        """The draft model cannot follow this one; the target decodes it without proposals."""
        drafting = self._drafting.pop(work_id)
        self._works.pop(work_id)
        self._reader.discard(drafting.reading)


class Combined:
    """The first strategy that has something to propose for a sequence."""

    def __init__(self, strategies: Sequence[Proposer]) -> None:
        self._strategies = tuple(strategies)

    def open(self, works: Sequence[RecognizeWork]) -> None:
        """Tell all of them."""
        for strategy in self._strategies:
            strategy.open(works)

    def propose(self, generated: Generated) -> Mapping[str, Sequence[int]]:
        """Ask one after the other, each for what the ones before had nothing for."""
        proposed: dict[str, Sequence[int]] = {}
        for strategy in self._strategies:
            rest = {id_: tokens for id_, tokens in generated.items() if not proposed.get(id_)}
            if rest:
                proposed |= strategy.propose(rest)
        return proposed

    def may_propose(self, work_ids: Collection[str]) -> bool:
        """Whether one of them may."""
        return any(strategy.may_propose(work_ids) for strategy in self._strategies)

    def close(self, work_id: str) -> None:
        """Tell all of them."""
        for strategy in self._strategies:
            strategy.close(work_id)
