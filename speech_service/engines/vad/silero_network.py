"""The Silero VAD v5 network (16 kHz branch) in numpy, batched over streams and over time.

Architecture and weights: https://github.com/snakers4/silero-vad (MIT): an STFT as a convolution, four
convolutions, one LSTM cell, one output unit. Everything before the LSTM depends only on a frame and the 64 samples
before it, so all frames of all streams go through it in one pass; only the recurrent product runs frame by frame.

Why not onnxruntime: it adds about 50 MB to the front end and is slower at every batch size (a third of its time
goes into graph control flow). ``tests/contract/test_vads.py`` holds both to the same probabilities.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.engines.vad.onnx_weights import read_float_constants

FRAME_SAMPLES = 512
CONTEXT_SAMPLES = 64
WINDOW_SAMPLES = CONTEXT_SAMPLES + FRAME_SAMPLES
STATE_SIZE = 128

_BRANCH = "If_0_then_branch__Inline_0__"
"""Prefix of the 16 kHz weights; the file also holds a network for 8 kHz."""
_FFT, _HOP, _BINS = 256, 128, 129
_STEPS = 4
"""STFT columns of one window."""
_REFLECT_SAMPLES = 64
"""The window is extended by this much at its end, mirrored."""


@dataclass(frozen=True, slots=True)
class SileroNetwork:
    """Weights laid out for row-major products. All arrays are float32."""

    stft: Samples
    """[256, 258]: cosine columns, then sine columns."""
    conv0: Samples
    """[3 * 129, 128]; ``conv0_bias`` [128]."""
    conv0_bias: Samples
    conv1: Samples
    conv1_bias: Samples
    conv2: Samples
    """[2 * 64, 64]: the first tap of three always meets padding."""
    conv2_bias: Samples
    conv3: Samples
    """[64, 128]: only the middle tap meets data."""
    conv3_bias: Samples
    lstm_input: Samples
    """[128, 512], gates in the order input, forget, cell, output; ``lstm_bias`` [512] holds both biases."""
    lstm_hidden: Samples
    lstm_bias: Samples
    output: Samples
    output_bias: float

    @staticmethod
    def load(path: Path) -> "SileroNetwork":
        """Read ``silero_vad.onnx``.

        Raises:
            ValueError: the file is not the Silero VAD v5 model.
        """
        branch = len(_BRANCH)
        weights = {
            name[branch:]: value
            for name, value in read_float_constants(path).items()
            if name.startswith(_BRANCH)
        }
        try:
            conv = [
                np.ascontiguousarray(weights[f"encoder.{i}.reparam_conv.weight"].transpose(2, 1, 0))
                for i in range(4)
            ]
            bias = [weights[f"encoder.{i}.reparam_conv.bias"] for i in range(4)]
            return SileroNetwork(
                stft=np.ascontiguousarray(weights["stft.forward_basis_buffer"][:, 0, :].T),
                conv0=conv[0].reshape(3 * _BINS, 128),
                conv0_bias=bias[0],
                conv1=conv[1].reshape(3 * 128, 64),
                conv1_bias=bias[1],
                conv2=conv[2][1:].reshape(2 * 64, 64),
                conv2_bias=bias[2],
                conv3=conv[3][1],
                conv3_bias=bias[3],
                lstm_input=np.ascontiguousarray(weights["decoder.rnn.weight_ih"].T),
                lstm_hidden=np.ascontiguousarray(weights["decoder.rnn.weight_hh"].T),
                lstm_bias=weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"],
                output=weights["decoder.decoder.2.weight"][0, :, 0],
                output_bias=float(weights["decoder.decoder.2.bias"][0]),
            )
        except KeyError as error:
            raise ValueError(f"not the Silero VAD v5 model: no weight {error}") from error

    def features(self, windows: Samples) -> Samples:
        """Stateless part. windows float32 [n, 576] -> gate inputs of the LSTM, float32 [n, 512]."""
        n = len(windows)
        mirrored = windows[:, -2 : -2 - _REFLECT_SAMPLES : -1]
        padded = np.concatenate([windows, mirrored], axis=1)
        columns = np.empty((n, _STEPS, _FFT), np.float32)
        for step in range(_STEPS):
            columns[:, step] = padded[:, step * _HOP : step * _HOP + _FFT]
        spectrum = columns.reshape(n * _STEPS, _FFT) @ self.stft
        np.square(spectrum, out=spectrum)
        magnitude = np.sqrt(spectrum[:, :_BINS] + spectrum[:, _BINS:]).reshape(n, _STEPS, _BINS)
        # Each convolution of width 3 is one product: its three taps lie side by side in a row.
        taps = np.zeros((n, _STEPS, 3, _BINS), np.float32)
        taps[:, 1:, 0] = magnitude[:, :-1]
        taps[:, :, 1] = magnitude
        taps[:, :-1, 2] = magnitude[:, 1:]
        first = _relu(taps.reshape(n * _STEPS, 3 * _BINS) @ self.conv0, self.conv0_bias)
        first = first.reshape(n, _STEPS, 128)
        pairs = np.zeros((n, 2, 3, 128), np.float32)
        pairs[:, 0, 1:] = first[:, 0:2]
        pairs[:, 1] = first[:, 1:4]
        second = _relu(pairs.reshape(n * 2, 3 * 128) @ self.conv1, self.conv1_bias)
        third = _relu(second.reshape(n, 2 * 64) @ self.conv2, self.conv2_bias)
        fourth = _relu(third @ self.conv3, self.conv3_bias)
        gates: Samples = fourth @ self.lstm_input
        gates += self.lstm_bias
        return gates

    def advance(
        self, gate_inputs: Samples, hidden: Samples, cell: Samples
    ) -> tuple[Samples, Samples, Samples]:
        """One recurrent step of b streams.

        Args:
            gate_inputs: float32 [b, 512], from ``features``.
            hidden: float32 [b, 128].
            cell: float32 [b, 128].

        Returns:
            Probability of speech float32 [b], new hidden, new cell.
        """
        gates: Samples = hidden @ self.lstm_hidden
        gates += gate_inputs
        squashed = _sigmoid(gates)
        into, forget, out = (squashed[:, i * STATE_SIZE : (i + 1) * STATE_SIZE] for i in (0, 1, 3))
        candidate = np.tanh(gates[:, 2 * STATE_SIZE : 3 * STATE_SIZE])
        new_cell = forget * cell + into * candidate
        new_hidden = out * np.tanh(new_cell)
        # matmul of two float32 arrays is float32, which its annotation does not know.
        score: Samples = np.maximum(new_hidden, np.float32(0.0)) @ self.output
        score += self.output_bias
        return _sigmoid(score), new_hidden, new_cell


def _relu(product: Samples, bias: Samples) -> Samples:
    product += bias
    return np.maximum(product, 0.0, out=product)


def _sigmoid(x: Samples) -> Samples:
    """The logistic function, through tanh: no overflow for large negative values."""
    half = np.tanh(x * np.float32(0.5))
    half += 1.0
    half *= 0.5
    return half
