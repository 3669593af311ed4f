"""The voice: sentence by sentence, long sentences clause by clause, each piece as soon as it is asked for.

A piece goes through the network at once, so that its melody is of one cast; its first half second is turned into
samples before the rest.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.domain.synthesis import LexiconEntry, SpokenPart, SpokenWord
from speech_service.engines.hibari import SAMPLE_RATE_HZ, VOICE, HibariOptions
from speech_service.engines.hibari.network import HibariNetwork
from speech_service.engines.hibari.reading import PhonemeReader, PhonemeReading, ReadWord
from speech_service.engines.hibari.waveform import waveform
from speech_service.engines.speaking import (
    DEFAULT_SEED,
    PieceAudio,
    check_rate,
    nothing_spoken,
)
from speech_service.media.tempo import TempoChanger
from speech_service.text.sentences.cutter import SentencePiece, SentenceSplitter

_FASTEST = 1.0
"""The model itself speaks slower, not faster: it drops sounds. Word errors of a recognizer over 30 sentences at rates
1.25, 1.6 and 2.0: 2.7, 12 and 20 % by the model, 2.1, 3.0 and 4.8 % by the tempo changer. At 0.5 both are below 1 %.
"""
_FIRST_FRAMES = 48
"""Frames (600 ms) of a piece that become samples first; the model is silent for 350 ms of them."""
_SILENCE = 10 ** (-60 / 20)
"""Below this the model's silence lies; it is digital but for rounding."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What goes through the network at once: phonemes ``begin`` to ``end`` of a sentence's reading."""

    sentence: SentencePiece
    reading: PhonemeReading
    begin: int
    end: int
    position: int
    """Where its samples begin in those of the whole text."""

    @property
    def phonemes(self) -> str:
        return self.reading.phonemes[self.begin : self.end]


class HibariSpeaker:
    """Implements ``Speaker``."""

    def __init__(
        self, options: HibariOptions, network: HibariNetwork, reader: PhonemeReader
    ) -> None:
        self._options = options
        self._network = network
        self._reader = reader

    @property
    def sample_rate_hz(self) -> int:
        """24 kHz."""
        return SAMPLE_RATE_HZ

    def speak(
        self,
        text: str,
        *,
        speaking_rate: float = 1.0,
        seed: int | None = None,
        lexicon: Sequence[LexiconEntry] = (),
    ) -> Iterator[Samples | PieceAudio]:
        """As ``Speaker.speak``.

        Noise is drawn anew for each piece from ``seed`` and the piece's number, so a piece sounds the same whatever
        was spoken before it.
        """
        check_rate(speaking_rate)
        pronunciations = self._reader.pronunciations(lexicon)
        splitter = SentenceSplitter()
        seeded = seed if seed is not None else DEFAULT_SEED
        position = number = 0
        for sentence in splitter.push(text) + splitter.flush():
            reading = self._reader.read(sentence.text, pronunciations)
            begin = 0
            for end in reading.ends:
                noise = np.random.default_rng((seeded, number))
                part = _Part(sentence, reading, begin, end, position)
                position = yield from self._speak_part(part, speaking_rate, noise)
                number, begin = number + 1, end + 1
        if not number:
            raise nothing_spoken(VOICE)

    def _speak_part(
        self, part: _Part, rate: float, noise: np.random.Generator
    ) -> Generator[Samples | PieceAudio, None, int]:
        """Returns where the part ends, in samples."""
        spectra, starts = self._network.run(part.phonemes, min(rate, _FASTEST))
        ends = sorted({min(_FIRST_FRAMES, spectra.frames), spectra.frames})
        slices = waveform(spectra, noise, ends)
        if rate > _FASTEST:
            slices, starts = _faster(slices, rate / _FASTEST), starts / (rate / _FASTEST)
        lead_ms = self._options.joint_ms if part.begin else self._options.lead_ms
        sound = _Sound(lead_ms * SAMPLE_RATE_HZ // 1000)
        made: list[Samples] = []
        for samples in slices:
            if len(heard := sound.push(samples)):
                made.append(heard)
                yield heard
        samples = np.concatenate([*made, sound.finish()])
        end = part.position + len(samples)
        times = np.clip(starts, sound.first, sound.last) + (part.position - sound.dropped)
        yield PieceAudio(
            samples,
            SpokenPart(_text_of(part), part.position, end),
            _words_of(part, times),
            () if part.begin else part.reading.unspoken,
        )
        return end


class _Sound:
    """Takes the silence off the beginning, all but ``lead`` samples, and remembers where the sound is."""

    def __init__(self, lead: int) -> None:
        self._lead = lead
        self._held: list[Samples] = []
        self._received = 0
        self._heard = False
        self.first = self.last = self.dropped = 0
        """In what was pushed: where the first and just behind the last sample that can be heard are; how much went."""

    def push(self, samples: Samples) -> Samples:
        """What can be sent on: nothing before the first sound."""
        loud = np.flatnonzero(np.abs(samples) > _SILENCE)
        if loud.size:
            self.last = self._received + int(loud[-1]) + 1
        if self._heard:
            self._received += len(samples)
            return samples
        self._held.append(samples)
        if loud.size:
            self.first = self._received + int(loud[0])
            self.dropped = max(0, self.first - self._lead)
        self._received += len(samples)
        return self._release()[self.dropped :].copy() if loud.size else samples[:0]

    def finish(self) -> Samples:
        """What was held back: all of it, where nothing can be heard."""
        if not self._heard:
            self.last = self._received
        return self._release()

    def _release(self) -> Samples:
        held, self._held, self._heard = self._held, [], True
        return np.concatenate(held) if held else np.zeros(0, np.float32)


def _faster(slices: Iterator[Samples], rate: float) -> Iterator[Samples]:
    changer = TempoChanger(rate, SAMPLE_RATE_HZ)
    for samples in slices:
        yield changer.push(samples)
    yield changer.push(np.zeros(0, np.float32), last=True)


def _words_of(part: _Part, starts: Samples) -> tuple[SpokenWord, ...]:
    """Words that begin in the part, with the samples of ``starts``, one for each of its phonemes and the end."""
    reading, char_offset = part.reading, part.sentence.char_start
    places = np.arange(part.begin, part.begin + len(starts))
    spans = [
        (word, *_with_half_spaces(reading.phonemes, word))
        for word in _beginning_in(reading, part.begin, part.end)
    ]
    samples = np.interp([place for _, *span in spans for place in span], places, starts)
    return tuple(
        SpokenWord(
            word.text,
            char_offset + word.char_start,
            char_offset + word.char_end,
            round(float(first)),
            round(float(last)),
        )
        for (word, *_), first, last in zip(spans, samples[::2], samples[1::2], strict=True)
    )


def _with_half_spaces(phonemes: str, word: ReadWord) -> tuple[float, float]:
    """The time of a space between two words belongs to both, as in Kokoro's own pipeline."""
    first, last = word.begin, word.end
    if first >= 1 and phonemes[int(first) - 1] == " ":
        first = max(0.0, first - 0.5)
    if last < len(phonemes) and phonemes[int(last)] == " ":
        last += 0.5
    return first, last


def _text_of(part: _Part) -> str:
    """The text of a part: from its first word to the first of the next part."""
    text, reading, begin, end = part.sentence.text, part.reading, part.begin, part.end
    if (begin, end) == (0, len(reading.phonemes)):
        return text
    here = _beginning_in(reading, begin, end)
    later = _beginning_in(reading, end + 1, len(reading.phonemes))
    if not here:
        return ""
    start = here[0].char_start if begin else 0
    return text[start : later[0].char_start if later else len(text)]


def _beginning_in(reading: PhonemeReading, begin: int, end: int) -> list[ReadWord]:
    """A word that begins in the space between two parts, as shared spans may, is one of the part behind it."""
    return [word for word in reading.words if begin - bool(begin) <= word.begin < end]
