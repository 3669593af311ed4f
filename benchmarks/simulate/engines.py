"""Engines whose steps are those of the Qwen3 engines, in time that the cost model says.

They begin, feed and settle as ``engines/qwen3`` does (budgets of a step, kept segments, previous partials as drafts,
chunks of a ramp), with scripted answers: 3.5 tokens for a second of audio, the last tenth of which the next partial
changes.
"""

import random
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.simulate.cost_model import RecognizerCost, SynthesizerCost
from benchmarks.simulate.virtual_time import SimulatedDevice
from speech_service.dispatch.pool import Clock
from speech_service.domain.alignment import AlignedUnit, Alignment, Granularity
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    AlignWork,
    RecognizeWork,
    SegmentKey,
    SpeechMade,
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkDone,
    WorkEvent,
    WorkTiming,
)
from speech_service.engines.decoding import Verify, accepted_count
from speech_service.engines.qwen3.tts.ramp import ChunkRamp, ChunkWay

TOKENS_PER_S = 3.5
"""Of an answer, for each second of audio."""
SETTLED = 0.9
"""Share of an answer that the next one for more audio begins with."""
AUDIO_TOKENS_PER_S = 13.0
WINDOW_S = 8.0
HEAD_TOKENS, TAIL_TOKENS = 9, 8
"""Of a prompt, before and behind its audio."""
WINDOWS_PER_STEP, PREFILL_TOKENS = 16, 2048
"""As ``engines/qwen3/asr/compose.py`` has them."""
SAMPLE_RATE_HZ = 16_000
SPEECH_RATE_HZ = 24_000
FRAME_S = 0.08
RAMP = (1, 2, 4, 8)
"""The default of ``synthesizer/qwen3``."""
_SILENCE = np.zeros(16 * int(FRAME_S * SPEECH_RATE_HZ), np.float32)


def answer_of(seconds: float, tokens_per_s: float) -> tuple[int, ...]:
    """Tokens of so much audio; those that further audio changes have numbers of their own."""
    count = max(1, round(seconds * tokens_per_s))
    settled = int(count * SETTLED + 0.5)
    return (*range(settled), *(10_000 * count + place for place in range(settled, count)))


@dataclass(slots=True, eq=False)
class _Decoding:
    """A sequence: ``pending`` prompt tokens are not fed yet, ``held`` are."""

    work: RecognizeWork
    answer: tuple[int, ...]
    verify: Verify
    pending: int
    held: int
    closed: int
    """Windows of it that further audio does not change."""
    tokens: list[int] = field(default_factory=list[int])
    passes: int = 0


@dataclass(frozen=True, slots=True)
class Drafting:
    """A smaller model that proposes ``ahead`` tokens to ``most_rows`` sequences at most, each right with ``holds``."""

    cost: RecognizerCost
    ahead: int = 4
    holds: float = 0.9
    most_rows: int = 16


class SimulatedRecognizer:
    """``AsrEngine`` in virtual time. ``on_first_token`` is told of each work's first, and how far into the step."""

    def __init__(
        self,
        cost: RecognizerCost,
        device: SimulatedDevice,
        max_running: int = 64,
        kept_segments: int = 1024,
        tokens_per_s: float = TOKENS_PER_S,
        drafting: Drafting | None = None,
        verifies: bool = True,
    ) -> None:
        self._cost = cost
        self._device = device
        self._max_running = max_running
        self._kept_segments = kept_segments
        self._tokens_per_s = tokens_per_s
        self._drafting = drafting
        self._verifies = verifies
        self._draws = random.Random(1)
        self._waiting: list[RecognizeWork] = []
        self._running: dict[str, _Decoding] = {}
        self._kept: OrderedDict[SegmentKey, int] = OrderedDict()
        self.on_first_token: Callable[[str, float], None] = lambda work_id, step_s: None
        self.passes = 0

    @property
    def capabilities(self) -> ModelCapabilities:
        """As ``recognizer/qwen3`` declares them."""
        return ModelCapabilities(
            name=self._cost.name,
            kind=ModelKind.RECOGNIZER,
            languages=("en",),
            sample_rate_hz=SAMPLE_RATE_HZ,
            max_segment_ms=30_000,
            capabilities=frozenset({Capability.PARTIAL_RESULTS}),
            max_batch=2 * self._max_running,
        )

    def admit(self, work: Work) -> None:
        """Take work in; it begins by class, then by arrival."""
        assert isinstance(work, RecognizeWork)
        self._waiting.append(work)
        self._waiting.sort(key=lambda each: each.work_class)

    def abort(self, work_id: str) -> None:
        """Forget it."""
        self._waiting = [work for work in self._waiting if work.work_id != work_id]
        self._running.pop(work_id, None)

    def step(self) -> Sequence[WorkEvent]:
        """Begin, feed, settle."""
        self._preempt()
        self._begin()
        events, is_read_late = self._feed()
        host_s = self._cost.step_host_s(len(self._running) + len(events))
        self._device.host(host_s, is_beside=is_read_late)
        return events

    def _preempt(self) -> None:
        if not self._waiting or len(self._running) < self._max_running:
            return
        last = max(self._running.values(), key=lambda each: each.work.work_class)
        if last.work.work_class > self._waiting[0].work_class:
            del self._running[last.work.work_id]
            self.admit(last.work)

    def _begin(self) -> None:
        windows, encoded, longest_s = 0, 0, 0.0
        while self._waiting and len(self._running) < self._max_running:
            work = self._waiting[0]
            seconds = len(work.samples) / SAMPLE_RATE_HZ
            windows += -(-int(seconds * 1000) // int(WINDOW_S * 1000))
            if encoded and windows > WINDOWS_PER_STEP:
                break
            self._waiting.pop(0)
            kept = self._kept.pop(work.segment, 0)
            new_s = seconds - kept * WINDOW_S
            closed = int(seconds // WINDOW_S)
            encoded += closed - kept + 1
            longest_s = max(longest_s, min(new_s, WINDOW_S))
            head = 0 if kept else HEAD_TOKENS
            self._running[work.work_id] = _Decoding(
                work,
                answer_of(seconds, self._tokens_per_s),
                Verify(work.draft_tokens if self._verifies else ()),
                pending=head + round(new_s * AUDIO_TOKENS_PER_S) + TAIL_TOKENS,
                held=round(kept * WINDOW_S * AUDIO_TOKENS_PER_S) + HEAD_TOKENS - head,
                closed=closed,
            )
        self._device.compute(self._cost.encode_s(encoded, longest_s))

    def _feed(self) -> tuple[Sequence[WorkEvent], bool]:
        """One pass, and whether the host reads it while the next one runs: if nothing is or may be proposed.

        Its budget goes to the most urgent first; without room a sequence is fed its one token.
        """
        budget, fed, asked, held = PREFILL_TOKENS, 0, 0, 0
        asking: list[tuple[_Decoding, Sequence[int]]] = []
        drafts = self._draft()
        for each in sorted(self._running.values(), key=lambda each: each.work.work_class):
            if each.pending:
                part = min(budget, each.pending)
                each.pending -= part
                each.held += part
                budget -= part
                fed += part
            held += each.held
            if each.pending:
                continue
            proposed = each.verify.propose(each.tokens) or drafts.get(each.work.work_id, ())
            proposed = proposed[: max(0, budget)]
            budget -= len(proposed)
            fed += len(proposed) + 1
            asked += len(proposed) + 1
            asking.append((each, proposed))
        if not fed:
            return [], True
        self.passes += 1
        self._device.compute(self._cost.pass_s(fed, asked, held))
        may_propose = self._may_draft(len(asking))
        is_read_late = not may_propose and all(
            each.verify.is_over and not some for each, some in asking
        )
        events = [event for each, some in asking if (event := self._settle(each, some))]
        return events, is_read_late

    def _draft(self) -> dict[str, Sequence[int]]:
        drafting = self._drafting
        rows = [each for each in self._running.values() if not each.pending]
        if drafting is None or not rows or not self._may_draft(len(rows)):
            return {}
        held = sum(each.held for each in rows)
        for _ in range(drafting.ahead):
            self._device.compute(drafting.cost.pass_s(len(rows), len(rows), held))
        proposed: dict[str, Sequence[int]] = {}
        for each in rows:
            ahead = each.answer[len(each.tokens) : len(each.tokens) + drafting.ahead]
            proposed[each.work.work_id] = [
                token if self._draws.random() < drafting.holds else -1 for token in ahead
            ]
        return proposed

    def _may_draft(self, rows: int) -> bool:
        return self._drafting is not None and rows <= self._drafting.most_rows

    def _settle(self, each: _Decoding, proposed: Sequence[int]) -> WorkDone | None:
        at, first = len(each.tokens), not each.tokens
        chosen = each.answer[at : at + len(proposed) + 1]
        held = min(accepted_count(proposed[: len(chosen)], chosen), len(chosen) - 1)
        each.tokens += chosen[: held + 1]
        each.held += held + 1
        each.passes += 1
        if first:
            self.on_first_token(each.work.work_id, self._device.step_s)
        if len(each.tokens) < len(each.answer):
            return None
        del self._running[each.work.work_id]
        if not each.work.is_last:
            self._kept[each.work.segment] = each.closed
            while len(self._kept) > self._kept_segments:
                self._kept.popitem(last=False)
        text = " ".join(f"w{token}" for token in each.tokens)
        found = Hypothesis(text, tuple(each.tokens), "en")
        return WorkDone(each.work.work_id, found, WorkTiming(decode_steps=each.passes))


@dataclass(slots=True, eq=False)
class _Speaking:
    work: SynthesizeWork
    frames: int
    """Still to be spoken."""
    ramp: ChunkRamp
    silent: int = 0
    """Frames that have no sound yet."""
    sounding: int = 0
    """Frames that the codec has begun."""
    has_sounded: bool = False
    """Whether the codec has begun its first chunk."""

    @property
    def is_due(self) -> bool:
        is_whole = not self.frames or self.ramp.due(self.silent)
        return bool(self.silent) and not self.sounding and is_whole


class SimulatedSynthesizer:
    """``TtsEngine`` in virtual time: a step is one frame of every stream, and the sound of the chunks that are due."""

    def __init__(
        self,
        cost: SynthesizerCost,
        device: SimulatedDevice,
        clock: Clock,
        max_batch: int = 64,
        prompt_tokens: int = 32,
    ) -> None:
        self._cost = cost
        self._device = device
        self._clock = clock
        self._max_batch = max_batch
        self._prompt_tokens = prompt_tokens
        self._waiting: list[SynthesizeWork] = []
        self._speaking: dict[str, _Speaking] = {}
        self._way = ChunkWay()

    @property
    def capabilities(self) -> ModelCapabilities:
        """As ``synthesizer/qwen3`` declares them."""
        return ModelCapabilities(
            name=self._cost.name,
            kind=ModelKind.SYNTHESIZER,
            languages=("en",),
            sample_rate_hz=SPEECH_RATE_HZ,
            max_segment_ms=60_000,
            max_batch=self._max_batch,
        )

    def admit(self, work: Work) -> None:
        """Take work in; its first frame comes with the next step."""
        assert isinstance(work, SynthesizeWork)
        self._waiting.append(work)

    def abort(self, work_id: str) -> None:
        """Forget it."""
        self._waiting = [work for work in self._waiting if work.work_id != work_id]
        self._speaking.pop(work_id, None)

    def step(self) -> Sequence[WorkEvent]:
        """Begin, speak, sound."""
        for work in self._waiting:
            frames = max(1, round(work.cost_ms / 1000 / FRAME_S))
            ramp = ChunkRamp(RAMP, self._way, self._clock)
            self._speaking[work.work_id] = _Speaking(work, frames, ramp)
        self._device.compute(self._cost.prompts_s(self._prompt_tokens * len(self._waiting)))
        self._waiting.clear()
        streams = sum(1 for each in self._speaking.values() if each.frames)
        if streams:
            self._device.compute(self._cost.frame_s(streams))
        is_read_late = all(each.ramp.has_begun for each in self._speaking.values())
        for each in self._speaking.values():
            each.silent += each.frames > 0
            each.frames -= each.frames > 0
        events = self._sound()
        self._device.host(self._cost.step_host_s(streams), is_beside=is_read_late)
        return events

    def _sound(self) -> list[WorkEvent]:
        """First chunks are waited for, behind what was begun before; others are told of with the next step."""
        begun = [each for each in self._speaking.values() if each.sounding]
        is_awaited = any(not each.has_sounded and each.is_due for each in self._speaking.values())
        events = [] if is_awaited else self._hear(begun)
        due = [each for each in self._speaking.values() if each.is_due]
        first = [each for each in due if not each.has_sounded]
        waited = Counter(each.silent for each in first)
        self._device.compute(
            self._cost.codec_s(waited, Counter(each.silent for each in due) - waited)
        )
        for each in due:
            each.ramp.begun(each.silent)
            each.sounding, each.silent, each.has_sounded = each.silent, 0, True
        if is_awaited:
            events += self._hear([*begun, *first])
        return events

    def _hear(self, begun: Sequence[_Speaking]) -> list[WorkEvent]:
        """Tell of chunks, and of who has ended with them."""
        events: list[WorkEvent] = []
        for each in begun:
            work_id = each.work.work_id
            samples = _SILENCE[: round(each.sounding * FRAME_S * SPEECH_RATE_HZ)]
            events.append(WorkAudio(work_id, samples, SPEECH_RATE_HZ))
            each.ramp.sent()
            each.sounding = 0
            if not each.frames and not each.silent:
                del self._speaking[work_id]
                events.append(WorkDone(work_id, SpeechMade(SPEECH_RATE_HZ), WorkTiming()))
        return events


class SimulatedAligner:
    """The aligner in virtual time: one pass over the audio and text of all that was admitted."""

    def __init__(self, cost: RecognizerCost, device: SimulatedDevice, max_batch: int = 8) -> None:
        self._cost = cost
        self._device = device
        self._max_batch = max_batch
        self._waiting: list[AlignWork] = []

    @property
    def capabilities(self) -> ModelCapabilities:
        """As ``aligner/qwen3`` declares them."""
        return ModelCapabilities(
            name=self._cost.name,
            kind=ModelKind.ALIGNER,
            languages=("en",),
            sample_rate_hz=SAMPLE_RATE_HZ,
            max_segment_ms=300_000,
            max_batch=self._max_batch,
        )

    def admit(self, work: Work) -> None:
        """Take work in."""
        assert isinstance(work, AlignWork)
        self._waiting.append(work)

    def abort(self, work_id: str) -> None:
        """Forget it."""
        self._waiting = [work for work in self._waiting if work.work_id != work_id]

    def step(self) -> Sequence[WorkEvent]:
        """Encode and place all of it."""
        seconds = [len(work.samples) / SAMPLE_RATE_HZ for work in self._waiting]
        windows = sum(int(-(-each // WINDOW_S)) for each in seconds)
        tokens = round(sum(seconds) * AUDIO_TOKENS_PER_S)
        tokens += sum(3 * len(work.text.split()) for work in self._waiting)
        longest_s = min(WINDOW_S, max(seconds, default=0.0))
        self._device.compute(self._cost.encode_s(windows, longest_s))
        self._device.compute(self._cost.pass_s(tokens, tokens, 0))
        self._device.host(self._cost.step_host_s(len(self._waiting)), is_beside=False)
        done = [WorkDone(work.work_id, _placed(work), WorkTiming()) for work in self._waiting]
        self._waiting.clear()
        return done


def _placed(work: AlignWork) -> Alignment:
    """Its words, evenly over its audio."""
    words = list(re.finditer(r"\S+", work.text))
    each_ms = len(work.samples) * 1000 / SAMPLE_RATE_HZ / max(1, len(words))
    units = [
        AlignedUnit(
            *(word[0], Granularity.WORD, word.start(), word.end()),
            *(int(place * each_ms), int((place + 1) * each_ms)),
        )
        for place, word in enumerate(words)
    ]
    return Alignment(tuple(units))
