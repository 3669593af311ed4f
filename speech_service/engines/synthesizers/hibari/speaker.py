"""The voice: sentence by sentence, long sentences clause by clause, each piece as soon as it is asked for."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from speech_service.audio.tempo import TempoChanger
from speech_service.domain.audio import Samples
from speech_service.domain.synthesis import LexiconEntry, SpokenPart, SpokenWord
from speech_service.engines.synthesizers.hibari import SAMPLE_RATE_HZ, VOICE, Options
from speech_service.engines.synthesizers.hibari.network import HibariNetwork
from speech_service.engines.synthesizers.hibari.reading import Reader, Reading, ReadWord
from speech_service.engines.synthesizers.speaking import (
    DEFAULT_SEED,
    SpokenPiece,
    check_rate,
    nothing_spoken,
)
from speech_service.text.sentences import Piece, SentenceSplitter

_FASTEST = 1.0
"""The model itself speaks slower, not faster: it drops sounds. Word errors of a recognizer over 30 sentences at rates
1.25, 1.6 and 2.0: 2.7, 12 and 20 % by the model, 2.1, 3.0 and 4.8 % by the tempo changer. At 0.5 both are below 1 %.
"""
_SILENCE = 10 ** (-60 / 20)
"""Below this the model's silence lies; it is digital but for rounding."""


class HibariSpeaker:
    """Implements ``Speaker``."""

    def __init__(self, options: Options, network: HibariNetwork, reader: Reader) -> None:
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
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[SpokenPiece]:
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
                if is_cancelled():
                    return
                noise = np.random.default_rng((seeded, number))
                piece = self._speak_part(
                    sentence, reading, (begin, end), position, speaking_rate, noise
                )
                yield piece
                position, number, begin = piece.part.end_sample, number + 1, end + 1
        if not number:
            raise nothing_spoken(VOICE)

    def _speak_part(
        self,
        sentence: Piece,
        reading: Reading,
        span: tuple[int, int],
        position: int,
        rate: float,
        noise: np.random.Generator,
    ) -> SpokenPiece:
        begin, end = span
        samples, starts = self._network.run(reading.phonemes[begin:end], min(rate, _FASTEST), noise)
        if rate > _FASTEST:
            changer = TempoChanger(rate / _FASTEST, SAMPLE_RATE_HZ)
            samples, starts = changer.push(samples, last=True), starts / (rate / _FASTEST)
        first, last = _sound(samples)
        lead_ms = self._options.joint_ms if begin else self._options.lead_ms
        dropped = max(0, first - lead_ms * SAMPLE_RATE_HZ // 1000)
        text = _text_of(sentence.text, reading, begin, end)
        part = SpokenPart(text, position, position + len(samples) - dropped)
        times = np.clip(starts, first, last) + (position - dropped)
        words = _words_of(reading, begin, end, times, sentence.char_start)
        unspoken = () if begin else reading.unspoken
        return SpokenPiece(samples[dropped:].copy(), part, words, unspoken)


def _sound(samples: Samples) -> tuple[int, int]:
    """Where the first and just behind the last sample that can be heard are."""
    loud = np.flatnonzero(np.abs(samples) > _SILENCE)
    return (int(loud[0]), int(loud[-1]) + 1) if loud.size else (0, len(samples))


def _words_of(
    reading: Reading, begin: int, end: int, starts: Samples, char_offset: int
) -> tuple[SpokenWord, ...]:
    """Words that begin in the part, with the samples of ``starts``, one for each of its phonemes and the end."""
    places = np.arange(begin, begin + len(starts))
    spans = [
        (word, *_with_half_spaces(reading.phonemes, word))
        for word in _beginning_in(reading, begin, end)
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


def _text_of(text: str, reading: Reading, begin: int, end: int) -> str:
    """The text of a part: from its first word to the first of the next part."""
    if (begin, end) == (0, len(reading.phonemes)):
        return text
    here = _beginning_in(reading, begin, end)
    later = _beginning_in(reading, end, len(reading.phonemes))
    if not here:
        return ""
    start = here[0].char_start if begin else 0
    return text[start : later[0].char_start if later else len(text)]


def _beginning_in(reading: Reading, begin: int, end: int) -> list[ReadWord]:
    return [word for word in reading.words if begin <= word.begin < end]
