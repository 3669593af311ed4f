"""Moonshine's encoder and decoder on onnxruntime.

Keys and values stay in onnxruntime: what one pass puts out is bound as input of the next, and only the logits are
looked at.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_service.domain.audio import Samples
from speech_service.engines.recognizers.moonshine.front import FrontNetwork, front_graph
from speech_service.engines.recognizers.moonshine.graphs import (
    AUDIO_KEYS_VALUES,
    HEAD_SIZE,
    HEADS,
    PAST,
    PRESENT,
    clip_graph,
    decoder_graph,
    growing_graph,
)
from speech_service.engines.recognizers.moonshine.growing import GrowingEncoder, Settled
from speech_service.engines.recognizers.moonshine.ort_file import OrtFile, read_ort_file
from speech_service.engines.recognizers.moonshine.signed_weights import (
    signed,
    signed_products_are_exact,
)
from speech_service.engines.recognizers.moonshine.values import Value, ort, value_of
from speech_service.engines.recognizers.moonshine.vocabulary import LOGITS, trained_tokens

_Session = Any


class MoonshineNetwork:
    """Sessions that any number of lanes may run at the same time."""

    def __init__(self, encoder: Path, decoder: Path, threads: int) -> None:
        encoder_file, decoder_file = _read(encoder, decoder)
        self._clip = _session(clip_graph(encoder_file, decoder_file), threads)
        front = FrontNetwork(_session(front_graph(encoder_file), threads), encoder_file)
        growing = _session(growing_graph(encoder_file, decoder_file), threads)
        self._growing = GrowingEncoder(front, growing)
        self.vocabulary = trained_tokens(decoder_file)
        """Tokens that ``MoonshineDecoder.logits`` scores, int64 [v]."""
        self._decoder = _session(decoder_graph(decoder_file, self.vocabulary), threads)
        self._nothing = value_of(np.zeros((1, HEADS, 0, HEAD_SIZE), np.float32))

    def encode(self, samples: Samples) -> "MoonshineDecoder":
        """Run the encoder over float32 [n] at 16 kHz and return a decoder for what it heard."""
        return self._decoder_for(self._heard(samples))

    def encode_growing(
        self, samples: Samples, before: int, after: int, settled: Settled, settles_after: int
    ) -> "tuple[MoonshineDecoder, Settled]":
        """The same with silence around it, on from what is settled of it; arguments as ``GrowingEncoder.hear``."""
        heard, settled = self._growing.hear(samples, before, after, settled, settles_after)
        return self._decoder_for(heard), settled

    def hear(self, samples: Samples) -> list[Samples]:
        """What ``encode`` hands to the decoder: ``AUDIO_KEYS_VALUES``, float32 [1, 8, t, 36] each."""
        return [value.numpy() for value in self._heard(samples)]

    def decoder(self, heard: Sequence[Samples]) -> "MoonshineDecoder":
        """A decoder for what ``hear`` returned."""
        return self._decoder_for([value_of(np.ascontiguousarray(value)) for value in heard])

    def _heard(self, samples: Samples) -> list[Value]:
        feed = {"samples": value_of(samples[np.newaxis, np.newaxis])}
        return self._clip.run_with_ort_values(AUDIO_KEYS_VALUES, feed)

    def _decoder_for(self, heard: Sequence[Value]) -> "MoonshineDecoder":
        binding = self._decoder.io_binding()
        for name, value in zip(AUDIO_KEYS_VALUES, heard, strict=True):
            binding.bind_ortvalue_input(name, value)
        nothing = [self._nothing] * len(PAST)
        return MoonshineDecoder(self._decoder, binding, self.vocabulary, nothing)


class MoonshineDecoder:
    """The decoder's state over one clip. Dropping it frees everything it holds."""

    def __init__(
        self,
        session: _Session,
        binding: Value,
        vocabulary: NDArray[np.int64],
        nothing: list[Value],
    ) -> None:
        self._session = session
        self._binding = binding
        self._vocabulary = vocabulary
        self._keys_values = nothing
        self._length = 0
        self._position = np.zeros(1, np.int64)
        binding.bind_ortvalue_input("position", value_of(self._position))
        self._bind(1)

    @property
    def length(self) -> int:
        """Tokens in the cache."""
        return self._length

    def run(self, tokens: Sequence[int]) -> list[int]:
        """One pass over ``tokens``, which follow those in the cache and join them.

        Returns:
            The most likely token after each of ``tokens``.
        """
        self._pass(tokens)
        chosen = self._logits[0].argmax(axis=1)
        return [int(token) for token in self._vocabulary[chosen]]

    def logits(self, tokens: Sequence[int]) -> Samples:
        """As ``run``, but returns the scores of the network's vocabulary: float32 [len(tokens), v]."""
        self._pass(tokens)
        return self._logits[0].copy()

    def _pass(self, tokens: Sequence[int]) -> None:
        """Most passes are over one token: its place, and that of its scores, are bound once."""
        binding = self._binding
        if len(tokens) != self._tokens.shape[1]:
            self._bind(len(tokens))
        self._tokens[0] = tokens
        self._position[0] = self._length
        for name, value in zip(PAST, self._keys_values, strict=True):
            binding.bind_ortvalue_input(name, value)
        for name in PRESENT:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        self._keys_values = binding.get_outputs()[1:]
        self._length += len(tokens)

    def _bind(self, count: int) -> None:
        """Make room for passes over ``count`` tokens."""
        self._tokens = np.empty((1, count), np.int64)
        self._logits = np.empty((1, count, len(self._vocabulary)), np.float32)
        self._binding.bind_ortvalue_input("tokens", value_of(self._tokens))
        self._binding.bind_ortvalue_output(LOGITS, value_of(self._logits))

    def truncate(self, length: int) -> None:
        """Forget the tokens in the cache behind the first ``length``."""
        if length == self._length:
            return
        self._keys_values = [
            value_of(np.ascontiguousarray(value.numpy()[:, :, :length]))
            for value in self._keys_values
        ]
        self._length = length


def _read(*paths: Path) -> tuple[OrtFile, ...]:
    files = tuple(read_ort_file(path.read_bytes()) for path in paths)
    return tuple(map(signed, files)) if signed_products_are_exact() else files


def _session(model: bytes, threads: int) -> _Session:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Lanes share the cores with each other and with the front end: a waiting thread must not spin.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Shapes change with every pass, so a planned memory pattern never fits twice.
    options.enable_mem_pattern = False
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
