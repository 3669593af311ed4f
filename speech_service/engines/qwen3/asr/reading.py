"""Reading audio into a decoder's cache: slots, prompts, encoder states, and what is kept of a growing segment.

A slot's beginning - the prompt's head and the states of closed windows, which further audio does not change - stays
valid while the segment grows, and is kept between its updates. Whatever is kept may be dropped at any time: work
always carries its whole audio.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speech_service.domain.work import RecognizeWork, SegmentKey
from speech_service.engines.qwen3.asr.features import Features, FeaturesFactory, SegmentFeatures
from speech_service.engines.qwen3.asr.model import AsrModel
from speech_service.engines.qwen3.asr.prompt import AsrPrompt, AsrPrompter
from speech_service.engines.qwen3.nn.kv_cache import KvCache


@dataclass(slots=True)
class _Kept:
    """A segment between two updates."""

    head: tuple[int, ...]
    features: SegmentFeatures
    slot: int
    length: int
    """Tokens of the slot that are the head and states that are final."""


@dataclass(slots=True, eq=False)
class SegmentReading:
    """A slot, and what has to be fed to it before the answer begins."""

    key: SegmentKey
    kept: _Kept
    pending: Tensor | None
    """[n, hidden]; None once all of it is fed."""
    keep_length: int
    """Tokens of the slot that the segment's next update can start from."""

    @property
    def slot(self) -> int:
        """Where it is in the cache."""
        return self.kept.slot

    def take(self, budget: int) -> Tensor | None:
        """The next states to feed, at most ``budget`` of them."""
        if self.pending is None:
            return None
        part = self.pending[:budget]
        self.pending = self.pending[budget:] if self.pending.shape[0] > budget else None
        return part


class SegmentReader:
    """Opens and closes readings over one model and one cache. Only the device's thread uses it."""

    def __init__(
        self, model: AsrModel, cache: KvCache, prompter: AsrPrompter, features: FeaturesFactory
    ) -> None:
        self._model = model
        self._cache = cache
        self._prompter = prompter
        self._features = features
        self._idle: OrderedDict[SegmentKey, _Kept] = OrderedDict()

    @property
    def cache(self) -> KvCache:
        """Where the slots are."""
        return self._cache

    @property
    def available(self) -> int:
        """Readings that can be opened now; kept segments give way."""
        return self._cache.free_slots + len(self._idle)

    def head_tokens(self, work: RecognizeWork) -> int:
        """Tokens of its prompt before the audio."""
        return len(self._prompter.prompt(work.context, work.language).head)

    def open(self, works: Sequence[RecognizeWork]) -> list[SegmentReading]:
        """Start to read; there must be room for all. Encodes the windows of all of them in one batch."""
        begun: list[tuple[_Kept, AsrPrompt, Features]] = []
        try:
            for work in works:
                begun.append(self._begin(work))
            windows = [w for _, _, new in begun for w in (*new.closed, *new.open)]
            states = iter(self._model.encoder.encode(windows))
        except RuntimeError:
            for kept, _, _ in begun:
                self._cache.free(kept.slot)
            raise
        readings: list[SegmentReading] = []
        for work, (kept, prompt, new) in zip(works, begun, strict=True):
            made = [next(states) for _ in (*new.closed, *new.open)]
            readings.append(self._reading(work.segment, kept, prompt, new, made))
        return readings

    def close(self, reading: SegmentReading, keep: bool) -> None:
        """End a reading; ``keep`` what the segment's next update can use, if all of it was fed."""
        kept = reading.kept
        if not keep or reading.pending is not None or reading.key in self._idle:
            self._cache.free(kept.slot)
            return
        kept.length = reading.keep_length
        self._cache.truncate(kept.slot, kept.length)
        self._idle[reading.key] = kept

    def discard(self, reading: SegmentReading) -> None:
        """End a reading whose slot may hold numbers that are not finite."""
        self._cache.clear([reading.slot])
        self._cache.free(reading.slot)

    def _begin(self, work: RecognizeWork) -> tuple[_Kept, AsrPrompt, Features]:
        prompt = self._prompter.prompt(work.context, work.language)
        kept = self._idle.pop(work.segment, None)
        if kept is not None and kept.head != prompt.head:
            self._cache.free(kept.slot)
            kept = None
        if kept is None:
            kept = _Kept(prompt.head, self._features(), self._slot(), 0)
        return kept, prompt, kept.features.grow(work.samples)

    def _reading(
        self,
        key: SegmentKey,
        kept: _Kept,
        prompt: AsrPrompt,
        new: Features,
        states: list[Tensor],
    ) -> SegmentReading:
        head = () if kept.length else prompt.head
        pending = torch.cat([self._model.embed(head), *states, self._model.embed(prompt.tail)])
        final = sum(each.shape[0] for each in states[: len(new.closed)])
        keep_length = kept.length + len(head) + final
        return SegmentReading(key, kept, pending, keep_length)

    def _slot(self) -> int:
        slot = self._cache.alloc()
        if slot is None:
            _, oldest = self._idle.popitem(last=False)
            self._cache.free(oldest.slot)
            slot = self._cache.alloc()
        assert slot is not None, "the engine opens no more readings than there is room for"
        return slot
