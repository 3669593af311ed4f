"""hibari's network: phonemes to spectra, and how long each phoneme lasts.

The durations are inside the graph: a node rounds the predicted ones to frames of 25 ms and repeats each phoneme's
state so often. The node's result is made an output here; the file on disk is pinned by hash.
"""

import json
from pathlib import Path

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.engines.formats.onnx import with_output
from speech_service.engines.hibari.waveform import Spectra
from speech_service.engines.runtimes.onnx_session import cpu_session

FRAME_SAMPLES = 600
"""Samples of one frame of a duration: two of the signal processing's frames, 25 ms at 24 kHz."""

_EARLY_FRAMES = 3
"""What is heard comes before its frames: the offset that Kokoro's own pipeline uses, confirmed by forced alignment of
30 sentences (332 word starts against pocketsphinx: mean -3 ms, mean deviation 23 ms; without it 92 ms late).
"""
_DURATIONS = "/Clip_output_0"


class HibariNetwork:
    """One session that any number of lanes may run at the same time."""

    def __init__(self, model: Path, threads: int) -> None:
        vocabulary = json.loads((model.parent / "vocab.json").read_text(encoding="utf-8"))
        self._ids: dict[str, int] = dict(vocabulary)
        # Lengths change with every run: an arena would keep the memory of the longest (measured: 70 MB, no faster).
        graph = with_output(model.read_bytes(), _DURATIONS)
        self._session = cpu_session(graph, threads, keeps_memory=False)

    @property
    def symbols(self) -> frozenset[str]:
        """Phoneme symbols that the model has, one character each."""
        return frozenset(self._ids)

    def run(self, phonemes: str, rate: float) -> tuple[Spectra, Samples]:
        """Predict how phonemes of ``symbols`` sound.

        Args:
            phonemes: not empty.
            rate: pace of the model, 0.5 is half as fast; above 1 it gets hard to understand.

        Returns:
            The spectra, and the sample at 24 kHz at which each phoneme begins: float32 [len(phonemes) + 1], the last
            entry being the end of the last.
        """
        ids = np.array([[0, *(self._ids[symbol] for symbol in phonemes), 0]], np.int64)
        feed = {"ids": ids, "speed": np.array([rate], np.float32)}
        *spectra, durations = self._session.run(None, feed)
        ends = np.maximum(np.cumsum(durations.reshape(-1)) - _EARLY_FRAMES, 0) * FRAME_SAMPLES
        return Spectra(*(part[0] for part in spectra)), ends[:-1].astype(np.float32)
