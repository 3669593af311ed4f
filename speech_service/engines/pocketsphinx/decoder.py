"""PocketSphinx's decoder behind four calls with types; the only module that imports it.

Scores are the decoder's own: logarithms to the base 1.0001, shifted right by 10 bits, about 0.1 nat each. They count
from the best active state of each frame, so only differences between two passes over the same audio mean something.
"""

import importlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_service.domain.audio import MODEL_RATE_HZ, Samples, ms_to_samples
from speech_service.engines.pocketsphinx.sound import FRAME_MS, with_full_band

PADDING_MS = 300
"""Faint noise before and after the audio. Words at the very edge of a clip need room for the first and last states."""

_LOG_BASE = 1.0001
_NOISE = 3.0
"""Standard deviation of the padding, in 16-bit steps."""
_SLICE_BYTES = 2 * ms_to_samples(20)
"""Audio of one call of the library, which holds Python's lock until it is back: others wait for no more than that."""
_MAX_ADDED = 60_000
"""Words added to the dictionary before the decoder is made anew; the library cannot take words out."""


@dataclass(frozen=True, slots=True)
class DecoderFiles:
    """Where the model is."""

    acoustic: Path
    dictionary: Path
    fillers: Path


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of frames ``[start, end)`` that one label explains. Frames count from the audio's first sample."""

    label: str
    start: int
    end: int
    score: float

    @property
    def is_word(self) -> bool:
        """False for silence, noise and free phones."""
        return self.label[0] not in "<[+("

    @property
    def is_quiet(self) -> bool:
        """True for silence and noise."""
        return self.label[0] in "[+(" or self.label in ("<s>", "</s>", "<sil>", "SIL")


@dataclass(frozen=True, slots=True)
class GrammarWord:
    """A word to look for: a name of its own and its pronunciations."""

    label: str
    pronunciations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arc:
    """A way from one state to another: over ``word``, or past it (None) at ``cost`` nats."""

    source: int
    target: int
    word: GrammarWord | None = None
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Costs:
    """How the search weighs what is in no word (nats), and how much it keeps (probability)."""

    filler: float
    silence: float = 5.0
    beam: float = 1e-64


class Decoder:
    """One PocketSphinx decoder. Not for several threads."""

    def __init__(self, files: DecoderFiles) -> None:
        """Load the model: 0.1 s, 30 MB.

        Raises:
            ImportError: pocketsphinx is not installed.
        """
        self._files = files
        self._library: Any = importlib.import_module("pocketsphinx")
        self._pcm = b""
        self._mean = ""
        self._frames = 0
        self._numbers: dict[tuple[str, ...], int] = {}
        self._added: set[str] = set()
        self._start()

    def _start(self) -> None:
        library = self._library
        config = library.Config(
            hmm=str(self._files.acoustic),
            dict=str(self._files.dictionary),
            fdict=str(self._files.fillers),
            lm=None,
            lw=1.0,
            bestpath=False,
            loglevel="FATAL",
        )
        self._decoder: Any = library.Decoder(config)
        self._log: Any = self._decoder.get_logmath()
        self._decoder.add_allphone_file("phones", None)
        self._add_cheapest_search()
        self._numbers.clear()
        self._added.clear()

    def _add_cheapest_search(self) -> None:
        """One that hears nothing: no audio is taken in without a search."""
        for name in ("beam", "pbeam", "wbeam"):
            self._decoder.config[name] = 0.9
        self._decoder.config["fillprob"], self._decoder.config["silprob"] = 1e-300, 0.5
        graph = self._library.FsgModel("nothing", self._log, 1.0, 1)
        graph.set_start_state(0)
        graph.set_final_state(0)
        self._decoder.add_fsg("nothing", graph)

    def look_up(self, word: str) -> tuple[str, ...]:
        """Pronunciations of ``word`` in the dictionary, phones apart by spaces; empty: it is not there."""
        if not word.isascii() or word[:1] in "<[(" or any(char.isspace() for char in word):
            return ()
        found: list[str] = []
        for number in range(1, 10):
            phones = self._decoder.lookup_word(word if number == 1 else f"{word}({number})")
            if phones is None:
                break
            found.append(phones)
        return tuple(found)

    def hear(self, samples: Samples) -> None:
        """Take the audio that the next passes read: float32 [n] at 16 kHz, finite. Words made before are void."""
        if len(self._added) > _MAX_ADDED:
            self._start()
        noise = np.random.default_rng(0).normal(0, _NOISE, 2 * ms_to_samples(PADDING_MS))
        half = len(noise) // 2
        scaled = np.clip(with_full_band(samples), -1, 1) * 32767
        padded = np.concatenate((noise[:half], scaled, noise[half:]))
        self._pcm = padded.round().astype("<i2").tobytes()
        self._frames = math.ceil(len(samples) * 1000 / MODEL_RATE_HZ / FRAME_MS)
        self._mean = self._mean_of_all()

    def word(self, pronunciations: tuple[str, ...], occurrence: int) -> GrammarWord:
        """A word whose label tells it from other occurrences of the same word in one search."""
        number = self._numbers.setdefault(pronunciations, len(self._numbers))
        return GrammarWord(f"w{number}.{occurrence}", pronunciations)

    def search(self, arcs: Sequence[Arc], states: int, costs: Costs) -> list[Segment]:
        """The best way from state 0 to state ``states - 1`` through the audio; silence and phones may be anywhere.

        Returns:
            Segments in order, those of words among them; empty where no way was found.
        """
        config = self._decoder.config
        for name in ("beam", "pbeam", "wbeam"):
            config[name] = costs.beam
        config["fillprob"] = math.exp(-costs.filler)
        config["silprob"] = math.exp(-costs.silence)
        graph = self._library.FsgModel("text", self._log, 1.0, states)
        graph.set_start_state(0)
        graph.set_final_state(states - 1)
        for arc in arcs:
            cost = -round(arc.cost / math.log(_LOG_BASE))
            if arc.word is None:
                graph.null_trans_add(arc.source, arc.target, cost)
            else:
                self._add(arc.word)
                word_id = graph.word_add(arc.word.label)
                graph.trans_add(arc.source, arc.target, cost, word_id)
        self._decoder.add_fsg("text", graph)
        self._decoder.activate_search("text")
        return self._run()

    def free_phones(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """When any phone may follow any other: score of each frame, and where they are phones, not silence or noise.

        Returns:
            float64 [frames], 0 where nothing was found; bool [frames].
        """
        self._decoder.activate_search("phones")
        scores = np.zeros(self._frames, np.float64)
        speech = np.zeros(self._frames, np.bool_)
        for segment in self._run():
            start, end = max(0, segment.start), max(0, segment.end)
            scores[start:end] = segment.score / (segment.end - segment.start)
            speech[start:end] = not segment.is_quiet
        return scores, speech

    def phones_of(self, words: Sequence[GrammarWord]) -> list[list[Segment]] | None:
        """Phones of each of ``words``, which fill the audio but for silence; None: they do not fit."""
        for word in words:
            self._add(word)
        config = self._decoder.config
        for name in ("beam", "pbeam", "wbeam"):
            config[name] = 1e-120
        config["fillprob"], config["silprob"] = 1e-100, 0.005
        self._decoder.set_align_text(" ".join(word.label for word in words))
        if not self._run():
            return None
        self._decoder.set_alignment()
        try:
            self._pass()
        except RuntimeError:  # the states do not fit into the frames of the first pass
            return None
        alignment = self._decoder.get_alignment()
        found = list(_placed_phones(alignment)) if alignment is not None else []
        return found if len(found) == len(words) else None

    def _add(self, word: GrammarWord) -> None:
        if word.label in self._added:
            return
        for number, phones in enumerate(word.pronunciations, start=1):
            label = word.label if number == 1 else f"{word.label}({number})"
            self._decoder.add_word(label, phones, False)
        self._added.add(word.label)

    def _run(self) -> list[Segment]:
        try:
            self._pass()
        except RuntimeError:
            return []
        if self._decoder.hyp() is None:
            return []
        return [
            Segment(entry.word, *_frames(entry.start_frame, entry.end_frame), _score(entry.ascore))
            for entry in self._decoder.seg()
            if entry.word != "(NULL)"
        ]

    def _mean_of_all(self) -> str:
        """The mean of the features of all audio, which passes over it subtract; as the library writes it."""
        self._decoder.activate_search("nothing")
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(self._pcm, no_search=True, full_utt=True)
        mean: str = self._decoder.get_cmn(False)
        self._decoder.end_utt()
        return mean

    def _pass(self) -> None:
        """Search all audio, slice by slice; the answer is that of one call to the last bit."""
        self._decoder.reinit_feat()  # forgets the noise of the audio before: equal work has equal answers
        self._decoder.start_utt()
        for begin in range(0, len(self._pcm), _SLICE_BYTES):
            self._decoder.set_cmn(self._mean)  # the library would let it drift
            self._decoder.process_raw(self._pcm[begin : begin + _SLICE_BYTES])
        self._decoder.end_utt()


def _frames(first: int, last: int) -> tuple[int, int]:
    padding = PADDING_MS // FRAME_MS
    return first - padding, last + 1 - padding


def _score(probability: float) -> float:
    """The library gives a score as a power of its base."""
    return math.log(probability) / math.log(_LOG_BASE) if probability > 0 else -1e6


def _placed_phones(alignment: Any) -> Iterator[list[Segment]]:
    for word in alignment.words():
        if word.name[0] in "<[":
            continue
        yield [
            Segment(
                phone.name, *_frames(phone.start, phone.start + phone.duration - 1), phone.score
            )
            for phone in word
        ]
