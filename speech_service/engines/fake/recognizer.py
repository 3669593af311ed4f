"""A recognizer that hears lengths: one word per fixed stretch of audio. No model, no package, deterministic.

It is a real backend: tests drive the whole service with it, and benchmarks use it to measure everything but the
model. It steps, takes drafts, fails and aborts as the others do.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from speech_service.config.tree import Amount, Count, Settings
from speech_service.domain.audio import ms_to_samples, samples_to_ms
from speech_service.domain.errors import InternalError, LimitExceededError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
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
from speech_service.engines.audio_checks import audio_problem
from speech_service.engines.decoding import accepted_count
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

_LOOP = 6
"""Times as many words as there is time for, until it is stopped."""


class FakeRecognizerOptions(Settings, frozen=True):
    """Options of ``recognizer/fake``."""

    words: tuple[str, ...] = ("zero", "one", "two", "three", "four", "five", "six", "seven")
    """The n-th stretch of audio is the n-th word, round and round."""
    word_ms: Count = 500
    """Audio that makes one word; a last stretch of at least half of it makes one as well."""
    step_ms: Amount = 0.0
    """How long one step takes (it sleeps)."""
    steps: Count = 1
    """Steps that one piece of work takes."""
    fail_every: Count = 0
    """Every n-th piece of work fails; 0: none does."""
    loops_above_ms: Count = 0
    """In audio longer than this it loses the thread: it says its first word until it is stopped. 0: never."""
    max_batch: Count = 8
    """Pieces of work that are computed together."""
    max_segment_ms: Count = 20_000
    """Milliseconds after which a segment is cut, unless `recognition.max_segment_ms` or the request says less."""
    languages: tuple[str, ...] = ("en",)
    """BCP-47 codes that it claims to recognize."""
    max_context_tokens: int = 0
    """Words of the longest context; 0: it takes none."""


def describe(options: FakeRecognizerOptions) -> ModelCapabilities:
    """What the options make of it."""
    context = (
        (Capability.CONTEXT_TEXT, Capability.CONTEXT_TERMS) if options.max_context_tokens else ()
    )
    return ModelCapabilities(
        name="fake",
        kind=ModelKind.RECOGNIZER,
        languages=options.languages,
        sample_rate_hz=16_000,
        max_segment_ms=options.max_segment_ms,
        capabilities=frozenset(
            {Capability.PARTIAL_RESULTS, Capability.DRAFT_VERIFICATION, *context}
        ),
        max_context_tokens=options.max_context_tokens,
        description="Counts time aloud; for tests and for measuring everything but a model",
        max_batch=options.max_batch,
    )


def build(options: FakeRecognizerOptions, shared: SharedModels) -> Engine:
    """Make one lane's engine."""
    del shared
    return FakeRecognizer(options)


@dataclass(slots=True)
class _FakeRecognition:
    work: RecognizeWork
    fails: bool
    steps_left: int


class FakeRecognizer:
    """Implements ``protocols.Engine``."""

    def __init__(self, options: FakeRecognizerOptions) -> None:
        self._options = options
        self._admitted = 0
        self._items: dict[str, _FakeRecognition] = {}

    @property
    def capabilities(self) -> ModelCapabilities:
        """What it claims to do."""
        return describe(self._options)

    def admit(self, work: Work) -> None:
        """Take work in."""
        assert isinstance(work, RecognizeWork), "the scheduler sends a model its own kind of work"
        self._admitted += 1
        every = self._options.fail_every
        fails = every > 0 and self._admitted % every == 0
        self._items[work.work_id] = _FakeRecognition(work, fails, max(1, self._options.steps))

    def step(self) -> Sequence[WorkEvent]:
        """Advance all items by one step."""
        if self._options.step_ms:
            time.sleep(self._options.step_ms / 1000)
        events: list[WorkEvent] = []
        for item in list(self._items.values()):
            item.steps_left -= 1
            if item.steps_left <= 0:
                del self._items[item.work.work_id]
                events.append(self._outcome(item))
        return events

    def abort(self, work_id: str) -> None:
        """Forget the item."""
        self._items.pop(work_id, None)

    def _outcome(self, item: _FakeRecognition) -> WorkEvent:
        work = item.work
        if item.fails:
            return WorkFailed(work.work_id, InternalError("the fake recognizer was told to fail"))
        limit = self._options.max_context_tokens
        if limit and len(work.context.split()) > limit:
            error = LimitExceededError("context", "max_context_tokens", limit)
            return WorkFailed(work.work_id, error)
        if work.kind is RecognizeKind.CHECK:
            return WorkDone(work.work_id, Hypothesis("", (), ""), WorkTiming())
        problem = audio_problem(work.samples)
        if problem is not None:
            return WorkFailed(work.work_id, problem)
        word_samples = ms_to_samples(self._options.word_ms)
        count = (len(work.samples) + word_samples // 2) // word_samples
        words, tokens = self._options.words, tuple(range(1, count + 1))
        loops = 0 < self._options.loops_above_ms < samples_to_ms(len(work.samples))
        said = (
            words[:1] * (_LOOP * count) if loops else [words[i % len(words)] for i in range(count)]
        )
        text = " ".join(said)
        language = work.language or self._options.languages[0]
        timing = WorkTiming(
            decode_steps=max(1, self._options.steps),
            draft_proposed=len(work.draft_tokens),
            draft_accepted=accepted_count(work.draft_tokens, tokens),
        )
        hypothesis = Hypothesis(text, tokens, language, is_cut_off=loops)
        return WorkDone(work.work_id, hypothesis, timing)
