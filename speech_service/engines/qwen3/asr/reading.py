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
from itertools import chain

import torch
from torch import Tensor

from speech_service.domain.work import RecognizeWork, SegmentKey
from speech_service.engines.qwen3.asr.features import FeatureMaker, SegmentFeatures
from speech_service.engines.qwen3.asr.model import AsrModel
from speech_service.engines.qwen3.asr.prompt import AsrPrompt, AsrPrompter
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.runtimes.torch import HOST, Device


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
        self,
        model: AsrModel,
        cache: KvCache,
        prompter: AsrPrompter,
        features: FeatureMaker,
        device: Device = HOST,
    ) -> None:
        self._device = device
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
        begun: list[tuple[_Kept, AsrPrompt]] = []
        try:
            for work in works:
                begun.append(self._begin(work))
            grown = self._features.grow(
                [kept.features for kept, _ in begun], [work.samples for work in works]
            )
            windows = [window for new in grown for window in (*new.closed, *new.open)]
            states = iter(self._model.encoder.encode(windows))
            embedded = iter(self._embedded(begun))
        except RuntimeError:
            for kept, _ in begun:
                self._cache.free(kept.slot)
            raise
        readings: list[SegmentReading] = []
        for work, (kept, prompt), new in zip(works, begun, grown, strict=True):
            made = [next(states) for _ in (*new.closed, *new.open)]
            pending = torch.cat([next(embedded), *made, next(embedded)])
            final = sum(each.shape[0] for each in made[: len(new.closed)])
            keep_length = kept.length + len(_head(kept, prompt)) + final
            readings.append(SegmentReading(work.segment, kept, pending, keep_length))
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

    def _begin(self, work: RecognizeWork) -> tuple[_Kept, AsrPrompt]:
        prompt = self._prompter.prompt(work.context, work.language)
        kept = self._idle.pop(work.segment, None)
        if kept is not None and kept.head != prompt.head:
            self._cache.free(kept.slot)
            kept = None
        if kept is None:
            kept = _Kept(prompt.head, self._features.begin(), self._slot(), 0)
        return kept, prompt

    def _embedded(self, begun: Sequence[tuple[_Kept, AsrPrompt]]) -> Sequence[Tensor]:
        """What stands before and behind the audio of each prompt, [n, hidden]; nothing before what is kept."""
        parts = [part for kept, prompt in begun for part in (_head(kept, prompt), prompt.tail)]
        ids = torch.tensor(list(chain.from_iterable(parts)), dtype=torch.int64)
        return self._model.embed(self._device.stage(ids)).split([len(part) for part in parts])

    def _slot(self) -> int:
        slot = self._cache.alloc()
        if slot is None:
            _, oldest = self._idle.popitem(last=False)
            self._cache.free(oldest.slot)
            slot = self._cache.alloc()
        assert slot is not None, "the engine opens no more readings than there is room for"
        return slot


def _head(kept: _Kept, prompt: AsrPrompt) -> tuple[int, ...]:
    """Tokens before the audio that the slot does not hold."""
    return () if kept.length else prompt.head
