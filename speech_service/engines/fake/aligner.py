"""An aligner that measures: words share the audio by their letters, or take a fixed time each. No model, deterministic.

It is a real backend: tests drive the whole service with it, and benchmarks use it to measure everything but the model.
It steps, fails and aborts as the others do.
"""

import time
from collections.abc import Iterator

from speech_service.config.tree import Amount, Count, Settings
from speech_service.domain.alignment import (
    AlignedUnit,
    Alignment,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.domain.audio import Samples, samples_to_ms
from speech_service.domain.errors import InternalError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.work import AlignWork, Outcome, Work
from speech_service.engines.audio_checks import checked
from speech_service.engines.character_units import character_units
from speech_service.engines.shared import SharedModels
from speech_service.engines.stepping import SteppingEngine
from speech_service.protocols import Engine
from speech_service.text.spoken.reading import ReadableUnit, spoken_units


class FakeAlignerOptions(Settings, frozen=True):
    """Options of ``aligner/fake``."""

    word_ms: Count = 0
    """Time of each word from the start of the audio on; 0: the words share all of it by their letters."""
    step_ms: Amount = 0.0
    """How long one step takes (it sleeps)."""
    steps: Count = 1
    """Steps that one piece of work takes."""
    fail_every: Count = 0
    """Every n-th piece of work fails; 0: none does."""
    unknown_word: str = ""
    """A word without a pronunciation; empty: all have one."""
    languages: tuple[str, ...] = ("en",)
    """BCP-47 codes that it claims to align."""


def describe(options: FakeAlignerOptions) -> ModelCapabilities:
    """What the options make of it."""
    return ModelCapabilities(
        name="fake-aligner",
        kind=ModelKind.ALIGNER,
        languages=options.languages,
        sample_rate_hz=16_000,
        max_segment_ms=4 * 3600 * 1000,
        capabilities=frozenset(
            {Capability.ALIGN_WORDS, Capability.ALIGN_PHONES, Capability.ALIGN_CHARACTERS}
        ),
        description="Shares time by letters; for tests and for measuring everything but a model",
        max_batch=8,
    )


def build(options: FakeAlignerOptions, shared: SharedModels) -> Engine:
    """Make one lane's engine."""
    del shared
    admitted = 0

    def run(work: Work) -> Iterator[Outcome | None]:
        assert isinstance(work, AlignWork), "an aligner gets alignment work"
        nonlocal admitted
        admitted += 1
        fails = options.fail_every > 0 and admitted % options.fail_every == 0
        return _pieces(options, work, fails)

    return SteppingEngine(describe(options), run)


def _pieces(options: FakeAlignerOptions, work: AlignWork, fails: bool) -> Iterator[Outcome | None]:
    for _ in range(max(1, options.steps) - 1):
        time.sleep(options.step_ms / 1000)
        yield None
    time.sleep(options.step_ms / 1000)
    if fails:
        raise InternalError("the fake aligner was told to fail")
    checked(work.samples)
    yield align(options, work.samples, work.text, work.granularity)


def align(
    options: FakeAlignerOptions, samples: Samples, text: str, granularity: Granularity
) -> Alignment:
    """The words in the audio; what finds no room is not spoken, and what is left of the audio has no text."""
    total_ms = samples_to_ms(len(samples))
    words = spoken_units(text)
    if not words and text.strip():
        begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
        return Alignment((), (UnalignedSpan(begin, end, 0, 0, UnalignedReason.NOT_SPEAKABLE),))
    spoken = [word for word in words if _is_spoken(options, text, word)]
    letters = sum(word.char_end - word.char_start for word in spoken) or 1
    units: list[AlignedUnit] = []
    spans: list[UnalignedSpan] = []
    at_ms, heard = 0, 0
    for word in words:
        if not _is_spoken(options, text, word):
            reason = (
                UnalignedReason.NO_PRONUNCIATION if word.readings else UnalignedReason.NOT_SPEAKABLE
            )
            spans.append(UnalignedSpan(word.char_start, word.char_end, at_ms, at_ms, reason))
            continue
        heard += word.char_end - word.char_start
        end_ms = at_ms + options.word_ms if options.word_ms else total_ms * heard // letters
        if end_ms > total_ms or end_ms <= at_ms:
            reason = UnalignedReason.TEXT_NOT_SPOKEN
            spans.append(UnalignedSpan(word.char_start, word.char_end, at_ms, total_ms, reason))
            continue
        units += _units(text, word, at_ms, end_ms, granularity)
        at_ms = end_ms
    if total_ms - at_ms >= max(options.word_ms, 500):
        reason = UnalignedReason.AUDIO_NOT_IN_TEXT
        spans.append(UnalignedSpan(len(text), len(text), at_ms, total_ms, reason))
    return Alignment(tuple(units), tuple(spans))


def _is_spoken(options: FakeAlignerOptions, text: str, word: ReadableUnit) -> bool:
    return bool(word.readings) and text[word.char_start : word.char_end] != options.unknown_word


def _units(
    text: str, word: ReadableUnit, start_ms: int, end_ms: int, granularity: Granularity
) -> list[AlignedUnit]:
    begin, end = word.char_start, word.char_end
    whole = AlignedUnit(text[begin:end], Granularity.WORD, begin, end, start_ms, end_ms)
    if granularity is Granularity.CHARACTER:
        return character_units(whole)
    if granularity is Granularity.PHONE:
        return [whole, AlignedUnit("AH", Granularity.PHONE, begin, end, start_ms, end_ms)]
    return [whole]
