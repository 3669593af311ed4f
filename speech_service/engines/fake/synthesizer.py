"""A synthesizer that hums: one tone for each word, as long as the word has letters. No model, deterministic.

It is a real backend: tests drive the whole service with it, and benchmarks use it to measure everything but the model.
"""

import re
import time
from collections.abc import Iterator, Sequence

import numpy as np

from speech_service.config.tree import Amount, Count, Settings
from speech_service.domain.audio import Samples
from speech_service.domain.errors import InternalError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.synthesis import (
    LexiconEntry,
    SpeechFinish,
    SpokenPart,
    SpokenWord,
    Voice,
    VoiceGender,
)
from speech_service.engines.shared import SharedModels
from speech_service.engines.speaking import (
    DEFAULT_SEED,
    PieceAudio,
    Speaker,
    check_rate,
    nothing_spoken,
    speaking_engine,
)
from speech_service.protocols import Engine
from speech_service.text.clean import is_speakable
from speech_service.text.sentences.cutter import SentenceSplitter

NAME = "fake-synthesizer"
_FADE_MS = 10
_LOUDNESS = 0.3
_LOWEST_HZ, _TONES, _STEP_HZ = 200, 8, 50


class FakeSynthesizerOptions(Settings, frozen=True):
    """Options of ``synthesizer/fake``."""

    letter_ms: Count = 60
    """Audio of one letter or digit, of which a word's last quarter is silence."""
    step_ms: Amount = 0.0
    """How long one piece takes (it sleeps)."""
    fail_every: Count = 0
    """Every n-th text fails; 0: none does."""
    cut_ms: Count = 0
    """Speech of a sentence that lasts longer is cut there, as at a model's limit; 0: none is."""
    cut_seeds: tuple[Count, ...] = ()
    """Only with these seeds; empty: with any."""
    sample_rate_hz: Count = 24_000
    """Rate of its audio."""
    voices: tuple[str, ...] = ("hum",)
    """Voices that it offers, the default one first."""
    languages: tuple[str, ...] = ("en",)
    """BCP-47 codes that it claims to speak."""
    max_batch: Count = 8
    """Pieces of work that are computed together."""


def describe(options: FakeSynthesizerOptions) -> ModelCapabilities:
    """What the options make of it."""
    return ModelCapabilities(
        name=NAME,
        kind=ModelKind.SYNTHESIZER,
        languages=options.languages,
        sample_rate_hz=options.sample_rate_hz,
        max_segment_ms=60_000,
        capabilities=frozenset(
            {
                Capability.SPEAKING_RATE,
                Capability.LEXICON,
                Capability.SEED,
                Capability.WORD_TIMINGS,
            }
        ),
        voices=voices(options),
        description="Hums words; for tests and for measuring everything but a model",
        max_batch=options.max_batch,
    )


def voices(options: FakeSynthesizerOptions) -> tuple[Voice, ...]:
    """The voices it hums with; all are the same."""
    return tuple(
        Voice(
            voice_id=name,
            display_name=name.capitalize(),
            model=NAME,
            languages=options.languages,
            gender=VoiceGender.NEUTRAL,
            sample_rate_hz=options.sample_rate_hz,
        )
        for name in options.voices
    )


def build(options: FakeSynthesizerOptions, shared: SharedModels) -> Engine:
    """Make one lane's engine; raises as :func:`build_speaker`."""
    return speaking_engine(describe(options), build_speaker(options, shared))


def build_speaker(options: FakeSynthesizerOptions, shared: SharedModels) -> Speaker:
    """Make one."""
    del shared
    return FakeSpeaker(options)


class FakeSpeaker:
    """Implements ``Speaker``."""

    def __init__(self, options: FakeSynthesizerOptions) -> None:
        self._options = options
        self._texts = 0

    @property
    def sample_rate_hz(self) -> int:
        """As configured."""
        return self._options.sample_rate_hz

    def speak(
        self,
        text: str,
        *,
        speaking_rate: float = 1.0,
        seed: int | None = None,
        lexicon: Sequence[LexiconEntry] = (),
    ) -> Iterator[PieceAudio]:
        """As ``Speaker.speak``; nothing comes ahead of a piece.

        A term of the lexicon takes as long as its pronunciation.
        """
        check_rate(speaking_rate)
        self._texts += 1
        every = self._options.fail_every
        if every and self._texts % every == 0:
            raise InternalError("the fake synthesizer was told to fail")
        terms = {entry.term.lower(): entry.pronunciation for entry in lexicon}
        samples_per_letter = self._options.letter_ms * self.sample_rate_hz / 1000 / speaking_rate
        splitter = SentenceSplitter()
        position = 0
        for sentence in splitter.push(text) + splitter.flush():
            if self._options.step_ms:
                time.sleep(self._options.step_ms / 1000)
            matches = [m for m in re.finditer(r"\S+", sentence.text) if is_speakable(m.group())]
            tones: list[Samples] = []
            words: list[SpokenWord] = []
            for match in matches:
                letters = sum(map(str.isalnum, terms.get(_bare(match.group()), match.group())))
                tone = self._tone(max(1, letters), samples_per_letter, seed)
                start = position + sum(map(len, tones))
                place = (sentence.char_start + match.start(), sentence.char_start + match.end())
                words.append(SpokenWord(match.group(), *place, start, start + len(tone) * 3 // 4))
                tones.append(tone)
            if tones:
                samples, finish = self._cut(np.concatenate(tones), seed)
                part = SpokenPart(sentence.text, position, position + len(samples))
                position = part.end_sample
                yield PieceAudio(samples, part, tuple(words), finish=finish)
        if not is_speakable(text):
            raise nothing_spoken(self._options.voices[0])

    def _cut(self, samples: Samples, seed: int | None) -> tuple[Samples, SpeechFinish]:
        """What is left at the limit, where there is one."""
        limit = self._options.cut_ms * self.sample_rate_hz // 1000
        runs_away = not self._options.cut_seeds or (seed or 0) in self._options.cut_seeds
        if not limit or len(samples) <= limit or not runs_away:
            return samples, SpeechFinish.COMPLETE
        return samples[:limit], SpeechFinish.LENGTH_LIMIT

    def _tone(self, letters: int, samples_per_letter: float, seed: int | None) -> Samples:
        """A tone that the seed and the number of letters choose, faded in and out, then silence."""
        count = round(letters * samples_per_letter)
        sounding = count * 3 // 4
        pitch = (
            _LOWEST_HZ
            + (letters + (seed if seed is not None else DEFAULT_SEED)) % _TONES * _STEP_HZ
        )
        seconds = np.arange(sounding, dtype=np.float64) / self.sample_rate_hz
        fade = min(_FADE_MS * self.sample_rate_hz // 1000, sounding // 2)
        envelope = np.ones(sounding)
        envelope[:fade] = np.linspace(0, 1, fade, endpoint=False)
        envelope[sounding - fade :] = np.linspace(1, 0, fade)
        tone = np.zeros(count, np.float32)
        tone[:sounding] = _LOUDNESS * envelope * np.sin(2 * np.pi * pitch * seconds)
        return tone


def _bare(word: str) -> str:
    """A word as a lexicon has it."""
    return "".join(char for char in word.lower() if char.isalnum())
