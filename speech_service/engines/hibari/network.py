"""hibari's network: phonemes to spectra, and how long each phoneme lasts.

The durations are inside the graph: a node rounds the predicted ones to frames of 25 ms and repeats each phoneme's
state so often. The node's result is made an output here. Protobuf joins the parts of a message that is given twice, so
a second ``graph`` with nothing but that output, behind the file, is all it takes; the file on disk is pinned by hash.
"""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

from speech_service.domain.audio import Samples
from speech_service.engines.hibari.waveform import Spectra
from speech_service.engines.runtimes.onnx_session import forget_model

FRAME_SAMPLES = 600
"""Samples of one frame of a duration: two of the signal processing's frames, 25 ms at 24 kHz."""

_EARLY_FRAMES = 3
"""What is heard comes before its frames: the offset that Kokoro's own pipeline uses, confirmed by forced alignment of
30 sentences (332 word starts against pocketsphinx: mean -3 ms, mean deviation 23 ms; without it 92 ms late).
"""
_DURATIONS = "/Clip_output_0"
_MODEL_GRAPH, _GRAPH_OUTPUT, _VALUE_NAME = 7, 12, 1
"""Field numbers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""

_ort = cast(Any, onnxruntime)
"""Not annotated."""


class HibariNetwork:
    """One session that any number of lanes may run at the same time."""

    def __init__(self, model: Path, threads: int) -> None:
        vocabulary = json.loads((model.parent / "vocab.json").read_text(encoding="utf-8"))
        self._ids: dict[str, int] = dict(vocabulary)
        options = _ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Lanes share the cores with each other and with the front end: a waiting thread must not spin.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Lengths change with every run: an arena would keep the memory of the longest (measured: 70 MB, no faster).
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        graph = _with_output(model.read_bytes(), _DURATIONS)
        session = _ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._session = forget_model(session)

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


def _with_output(model: bytes, name: str) -> bytes:
    value = _field(_VALUE_NAME, name.encode())
    return model + _field(_MODEL_GRAPH, _field(_GRAPH_OUTPUT, value))


def _field(number: int, data: bytes) -> bytes:
    """One length-delimited protobuf field; both numbers are below 128."""
    assert number < 16
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data
