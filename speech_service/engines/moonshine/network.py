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
from speech_service.engines.formats.ort import OrtFile, read_ort_file
from speech_service.engines.moonshine.exact_parts import OneToken, SeveralTokens
from speech_service.engines.moonshine.front import FrontNetwork, front_graph
from speech_service.engines.moonshine.graph_parts import HEAD_SIZE, HEADS
from speech_service.engines.moonshine.graphs import (
    AUDIO_KEYS_VALUES,
    PAST,
    PRESENT,
    clip_graph,
    decoder_graph,
    growing_graph,
)
from speech_service.engines.moonshine.growing import GrowingEncoder, SettledStates
from speech_service.engines.moonshine.signed_weights import (
    signed,
    signed_products_are_exact,
)
from speech_service.engines.moonshine.tokenizer import START_TOKEN
from speech_service.engines.moonshine.values import Value, value_of
from speech_service.engines.moonshine.vocabulary import LOGITS, trained_tokens
from speech_service.engines.runtimes.onnx_session import cpu_session, ort

_Session = Any
_SAME_SUMS = ("SkipLayerNormFusion",)
"""onnxruntime fuses a sum and a norm where it finds the pattern, and rounds otherwise there; graphs that must agree go
without."""
_TRIAL_SAMPLES, _TRIAL_TOKENS = 8_000, 13
"""Half a second, and more tokens than the rows that one kernel takes at once."""


class MoonshineNetwork:
    """Sessions that any number of lanes may run at the same time."""

    def __init__(self, encoder: Path, decoder: Path, threads: int) -> None:
        encoder_file, decoder_file = _read(encoder, decoder)
        self._clip = cpu_session(clip_graph(encoder_file, decoder_file), threads)
        front = FrontNetwork(cpu_session(front_graph(encoder_file), threads), encoder_file)
        growing = cpu_session(growing_graph(encoder_file, decoder_file), threads)
        self._growing = GrowingEncoder(front, growing)
        self.vocabulary = trained_tokens(decoder_file)
        """Tokens that ``MoonshineDecoder.logits`` scores, int64 [v]."""
        self._quick = [cpu_session(decoder_graph(decoder_file, self.vocabulary), threads)]
        self._exact = [
            cpu_session(
                decoder_graph(decoder_file, self.vocabulary, parts), threads, without=_SAME_SUMS
            )
            for parts in (OneToken, SeveralTokens)
        ]
        self._nothing = value_of(np.zeros((1, HEADS, 0, HEAD_SIZE), np.float32))
        self.verifies_exactly = self._passes_agree()
        """True where what ``encode`` returns scores a token alike, bit for bit, however many share its pass."""

    def encode(self, samples: Samples) -> "MoonshineDecoder":
        """Run the encoder over float32 [n] at 16 kHz and return a decoder for what it heard."""
        return self._decoder_for(self._heard(samples), self._exact)

    def encode_growing(
        self, samples: Samples, before: int, after: int, settled: SettledStates, settles_after: int
    ) -> "tuple[MoonshineDecoder, SettledStates]":
        """The same with silence around it, on from what is settled of it; arguments as ``GrowingEncoder.hear``.

        This decoder is quicker, but tokens that share a pass share its rounding: for PARTIALs.
        """
        heard, settled = self._growing.hear(samples, before, after, settled, settles_after)
        return self._decoder_for(heard, self._quick), settled

    def hear(self, samples: Samples) -> list[Samples]:
        """What ``encode`` hands to the decoder: ``AUDIO_KEYS_VALUES``, float32 [1, 8, t, 36] each."""
        return [value.numpy() for value in self._heard(samples)]

    def decoder(self, heard: Sequence[Samples], quick: bool = False) -> "MoonshineDecoder":
        """A decoder for what ``hear`` returned; as that of ``encode``, or the quick one of ``encode_growing``."""
        values = [value_of(np.ascontiguousarray(value)) for value in heard]
        return self._decoder_for(values, self._quick if quick else self._exact)

    def _heard(self, samples: Samples) -> list[Value]:
        feed = {"samples": value_of(samples[np.newaxis, np.newaxis])}
        return self._clip.run_with_ort_values(AUDIO_KEYS_VALUES, feed)

    def _decoder_for(
        self, heard: Sequence[Value], sessions: Sequence[_Session]
    ) -> "MoonshineDecoder":
        passes = [_Pass(session, heard, len(self.vocabulary)) for session in sessions]
        nothing = [self._nothing] * len(PAST)
        return MoonshineDecoder(passes[0], passes[-1], self.vocabulary, nothing)

    def _passes_agree(self) -> bool:
        """Try it: processors and versions of onnxruntime have kernels of their own."""
        noise = np.random.default_rng(0).normal(0, 0.1, _TRIAL_SAMPLES).astype(np.float32)
        decoder = self.encode(noise)
        tokens = [START_TOKEN, *range(_TRIAL_TOKENS)]
        alone = np.concatenate([decoder.logits([token]) for token in tokens])
        together = self.encode(noise).logits(tokens)
        return np.array_equal(alone, together)


class MoonshineDecoder:
    """The decoder's state over one clip. Dropping it frees everything it holds."""

    def __init__(
        self, one: "_Pass", several: "_Pass", vocabulary: NDArray[np.int64], nothing: list[Value]
    ) -> None:
        """``one`` and ``several``: for passes over so many tokens; may be the same."""
        self._one = one
        self._several = several
        self._vocabulary = vocabulary
        self._keys_values = nothing
        self._length = 0
        self._seen: Samples = np.zeros((0, len(vocabulary)), np.float32)

    @property
    def length(self) -> int:
        """Tokens in the cache."""
        return self._length

    def run(self, tokens: Sequence[int]) -> list[int]:
        """One pass over ``tokens``, which follow those in the cache and join them.

        Returns:
            The most likely token after each of ``tokens``.
        """
        self._seen = self._scores(tokens)
        return [int(token) for token in self._vocabulary[self._seen.argmax(axis=1)]]

    def log_probabilities(self) -> list[float]:
        """Of what the last ``run`` returned; only until the next pass."""
        scores = self._seen.astype(np.float64)
        above = scores - scores.max(axis=1, keepdims=True)
        return (-np.log(np.exp(above).sum(axis=1))).tolist()

    def logits(self, tokens: Sequence[int]) -> Samples:
        """As ``run``, but returns the scores of the network's vocabulary: float32 [len(tokens), v]."""
        return self._scores(tokens).copy()

    def _scores(self, tokens: Sequence[int]) -> Samples:
        """Float32 [len(tokens), v], until the next pass."""
        one_pass = self._one if len(tokens) == 1 else self._several
        scores, self._keys_values = one_pass.run(tokens, self._length, self._keys_values)
        self._length += len(tokens)
        return scores

    def truncate(self, length: int) -> None:
        """Forget the tokens in the cache behind the first ``length``."""
        if length == self._length:
            return
        self._keys_values = [
            value_of(np.ascontiguousarray(value.numpy()[:, :, :length]))
            for value in self._keys_values
        ]
        self._length = length


class _Pass:
    """A decoder's graph over one clip. Most passes are over one token: its place and that of its scores stay bound."""

    def __init__(self, session: _Session, heard: Sequence[Value], vocabulary_size: int) -> None:
        self._session = session
        self._binding = session.io_binding()
        for name, value in zip(AUDIO_KEYS_VALUES, heard, strict=True):
            self._binding.bind_ortvalue_input(name, value)
        self._vocabulary_size = vocabulary_size
        self._position = np.zeros(1, np.int64)
        self._binding.bind_ortvalue_input("position", value_of(self._position))
        self._bind(1)

    def run(
        self, tokens: Sequence[int], position: int, keys_values: Sequence[Value]
    ) -> tuple[Samples, list[Value]]:
        """Scores of the tokens after each of ``tokens``, until the next pass, and their keys and values behind the
        ``position`` ones given."""
        binding = self._binding
        if len(tokens) != self._tokens.shape[1]:
            self._bind(len(tokens))
        self._tokens[0] = tokens
        self._position[0] = position
        for name, value in zip(PAST, keys_values, strict=True):
            binding.bind_ortvalue_input(name, value)
        for name in PRESENT:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        outputs = binding.get_outputs_as_ortvaluevector()  # walking it costs a C++ exception
        return self._logits[0], [
            ort.OrtValue(outputs[1 + number]) for number in range(len(PRESENT))
        ]

    def _bind(self, count: int) -> None:
        """Make room for passes over ``count`` tokens."""
        self._tokens = np.empty((1, count), np.int64)
        self._logits = np.empty((1, count, self._vocabulary_size), np.float32)
        self._binding.bind_ortvalue_input("tokens", value_of(self._tokens))
        self._binding.bind_ortvalue_output(LOGITS, value_of(self._logits))


def _read(*paths: Path) -> tuple[OrtFile, ...]:
    files = tuple(read_ort_file(path.read_bytes()) for path in paths)
    return tuple(map(signed, files)) if signed_products_are_exact() else files
