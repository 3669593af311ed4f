"""The engine: one device step is one encoder run or a handful of decoder passes of every admitted item."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from speech_service.domain.audio import Samples, ms_to_samples, samples_to_ms
from speech_service.domain.errors import LimitExceededError, SpeechError
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
from speech_service.engines.audio_checks import checked
from speech_service.engines.decoding import (
    DecodingStrategy,
    StrategyFactory,
    accepted_count,
)
from speech_service.engines.moonshine import MoonshineOptions
from speech_service.engines.moonshine.network import MoonshineDecoder, MoonshineNetwork
from speech_service.engines.moonshine.settled_audio import SettledAudio
from speech_service.engines.moonshine.tokenizer import (
    END_TOKEN,
    START_TOKEN,
    MoonshineTokenizer,
)

_SPARE_TOKENS = 8
"""Tokens that even the shortest clip may have."""
_SHORT_ANSWER = 8
"""Of answers up to this many tokens is said how certain they are: those that noise brings forth are shorter."""


@dataclass(slots=True)
class _MoonshineItem:
    """One admitted work item."""

    work: RecognizeWork
    strategy: DecodingStrategy
    max_tokens: int
    decoder: MoonshineDecoder | None = None
    tokens: list[int] = field(default_factory=list[int])
    ended: bool = False
    is_cut_off: bool = False
    log_probabilities: list[float] = field(default_factory=list[float])
    """Of the first tokens, and of the end behind them."""
    encode_s: float = 0.0
    decode_s: float = 0.0
    passes: int = 0
    proposed: int = 0
    accepted: int = 0


class MoonshineEngine:
    """Implements ``protocols.Engine``. Items do not touch each other; each is decoded alone, the less urgent later."""

    def __init__(
        self,
        options: MoonshineOptions,
        capabilities: ModelCapabilities,
        network: MoonshineNetwork,
        tokenizer: MoonshineTokenizer,
        settled: SettledAudio,
        strategies: Mapping[RecognizeKind, StrategyFactory],
    ) -> None:
        self._options = options
        self._capabilities = capabilities
        self._network = network
        self._tokenizer = tokenizer
        self._settled = settled
        self._strategies = strategies
        self._items: dict[str, _MoonshineItem] = {}

    @property
    def capabilities(self) -> ModelCapabilities:
        """What the model can do."""
        return self._capabilities

    def admit(self, work: Work) -> None:
        """Take work in; it takes part from the next ``step`` on."""
        assert isinstance(work, RecognizeWork), "the scheduler sends a model its own kind of work"
        seconds = samples_to_ms(len(work.samples)) / 1000
        max_tokens = int(seconds * self._options.max_tokens_per_s) + _SPARE_TOKENS
        strategy = self._strategies[work.kind](work.draft_tokens[:max_tokens])
        self._items[work.work_id] = _MoonshineItem(work, strategy, max_tokens)

    def step(self) -> Sequence[WorkEvent]:
        """Advance every item of the most urgent class by one encoder run or a few decoder passes."""
        events: list[WorkEvent] = []
        urgent = min((item.work.work_class for item in self._items.values()), default=None)
        for item in [i for i in self._items.values() if i.work.work_class is urgent]:
            try:
                self._advance(item)
            except SpeechError as error:
                events.append(WorkFailed(item.work.work_id, error))
            else:
                if not item.ended:
                    continue
                events.append(self._done(item))
            del self._items[item.work.work_id]
        return events

    def abort(self, work_id: str) -> None:
        """Forget the item; its keys and values go with it."""
        self._items.pop(work_id, None)

    def _advance(self, item: _MoonshineItem) -> None:
        begin_s = time.perf_counter()
        if item.decoder is None:
            self._check(item.work.samples)
            item.decoder = self._encode(item.work)
            item.encode_s = time.perf_counter() - begin_s
            return
        for _ in range(self._options.passes_per_step):
            _decode_pass(item, item.decoder)
            if item.ended:
                break
        item.decode_s += time.perf_counter() - begin_s

    def _encode(self, work: RecognizeWork) -> MoonshineDecoder:
        """A PARTIAL goes on from what its predecessor settled; a FINAL is the clip alone, as the weights expect it."""
        padding = ms_to_samples(self._options.padding_ms)
        if work.kind is RecognizeKind.FINAL:
            self._settled.drop(work.segment)
            return self._network.encode(np.pad(work.samples, padding))
        settled = self._settled.get(work.segment, work.samples)
        after = ms_to_samples(self._options.partial_padding_ms)
        settles_after = ms_to_samples(self._options.settles_after_ms)
        decoder, settled = self._network.encode_growing(
            work.samples, padding, after, settled, settles_after
        )
        self._settled.put(work.segment, work.samples, settled)
        return decoder

    def _check(self, samples: Samples) -> None:
        if samples_to_ms(len(samples)) > self._options.max_audio_ms:
            raise LimitExceededError("audio", "max_audio_ms", self._options.max_audio_ms)
        checked(samples)

    def _done(self, item: _MoonshineItem) -> WorkDone:
        hypothesis = Hypothesis(
            self._tokenizer.text(item.tokens),
            tuple(item.tokens),
            "en",
            is_cut_off=item.is_cut_off,
            certainty=_certainty(item),
        )
        timing = WorkTiming(
            encode_ms=item.encode_s * 1000,
            decode_ms=item.decode_s * 1000,
            decode_steps=item.passes,
            draft_proposed=item.proposed,
            draft_accepted=item.accepted,
        )
        return WorkDone(item.work.work_id, hypothesis, timing)


def _certainty(item: _MoonshineItem) -> float | None:
    if item.is_cut_off or len(item.tokens) > _SHORT_ANSWER:
        return None
    return math.exp(sum(item.log_probabilities) / len(item.log_probabilities))


def _decode_pass(item: _MoonshineItem, decoder: MoonshineDecoder) -> None:
    """One pass: the newest token and what the strategy proposes after it."""
    room = item.max_tokens - len(item.tokens) - 1
    proposed = list(item.strategy.propose(item.tokens))[: max(0, room)]
    newest = item.tokens[-1] if item.tokens else START_TOKEN
    known = decoder.length
    predicted = decoder.run([newest, *proposed])
    accepted = accepted_count(proposed, predicted)
    if len(item.tokens) <= _SHORT_ANSWER:
        item.log_probabilities += decoder.log_probabilities()[: accepted + 1]
    decoder.truncate(known + 1 + accepted)
    item.passes += 1
    item.proposed += len(proposed)
    item.accepted += accepted
    item.tokens += proposed[:accepted]
    choice = predicted[accepted]
    if choice == END_TOKEN:
        item.ended = True
        return
    item.tokens.append(choice)
    item.ended = item.is_cut_off = len(item.tokens) >= item.max_tokens
