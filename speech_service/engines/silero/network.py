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
from speech_service.engines.formats.onnx import read_float_constants

FRAME_SAMPLES = 512
CONTEXT_SAMPLES = 64
WINDOW_SAMPLES = CONTEXT_SAMPLES + FRAME_SAMPLES
STATE_SIZE = 128
_MIRRORED_SAMPLES = 64
"""The window is extended by this much at its end, mirrored."""
BUFFER_SAMPLES = WINDOW_SAMPLES + _MIRRORED_SAMPLES
"""Room for a window and its extension."""

_BRANCH = "If_0_then_branch__Inline_0__"
"""Prefix of the 16 kHz weights; the file also holds a network for 8 kHz."""
_FFT, _HOP, _BINS = 256, 128, 129
_STEPS = 4
"""STFT columns of one window."""
_SIGMOIDS = 3 * STATE_SIZE
"""Of the gates; the last quarter goes through tanh."""


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
    """[128, 512], gates in the order input, forget, output, cell, those before the cell halved: then one tanh serves
    all, as sigmoid(x) = tanh(x / 2) / 2 + 1/2. ``lstm_bias`` [512] holds both biases, the same way."""
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
                lstm_input=_gates(weights["decoder.rnn.weight_ih"].T),
                lstm_hidden=_gates(weights["decoder.rnn.weight_hh"].T),
                lstm_bias=_gates(weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"]),
                output=weights["decoder.decoder.2.weight"][0, :, 0],
                output_bias=float(weights["decoder.decoder.2.bias"][0]),
            )
        except KeyError as error:
            raise ValueError(f"not the Silero VAD v5 model: no weight {error}") from error

    def features(self, windows: Samples) -> Samples:
        """Stateless part.

        Args:
            windows: float32 [n, 640]; the window is in the first 576 samples, the rest is written here.

        Returns:
            Gate inputs of the LSTM, float32 [n, 512].
        """
        n = len(windows)
        windows[:, WINDOW_SAMPLES:] = windows[
            :, WINDOW_SAMPLES - 2 : WINDOW_SAMPLES - 2 - _MIRRORED_SAMPLES : -1
        ]
        spectrum = _rows(windows, _STEPS, _HOP, _FFT) @ self.stft
        np.square(spectrum, out=spectrum)
        power = spectrum[:, :_BINS] + spectrum[:, _BINS:]
        # Each convolution of width 3 is one product: its three taps lie side by side, between columns of zeros.
        magnitude = np.zeros((n, _STEPS + 2, _BINS), np.float32)
        np.sqrt(power.reshape(n, _STEPS, _BINS), out=magnitude[:, 1:-1])
        taps = _rows(magnitude.reshape(n, -1), _STEPS, _BINS, 3 * _BINS)
        first = np.zeros((n, _STEPS + 1, 128), np.float32)
        product = taps @ self.conv0
        product += self.conv0_bias
        np.maximum(product.reshape(n, _STEPS, 128), 0.0, out=first[:, 1:])
        taps = _rows(first.reshape(n, -1), 2, 2 * 128, 3 * 128)
        second = _relu(taps @ self.conv1, self.conv1_bias)
        third = _relu(second.reshape(n, 2 * 64) @ self.conv2, self.conv2_bias)
        fourth = _relu(third @ self.conv3, self.conv3_bias)
        gates: Samples = fourth @ self.lstm_input
        gates += self.lstm_bias
        return gates

    def advance(self, gates: Samples, hidden: Samples, cell: Samples) -> None:
        """One recurrent step of b streams, in place.

        Args:
            gates: float32 [b, 512], from ``features``; used up.
            hidden: float32 [b, 128], replaced by the next.
            cell: float32 [b, 128], likewise.
        """
        gates += hidden @ self.lstm_hidden
        np.tanh(gates, out=gates)
        sigmoids = gates[:, :_SIGMOIDS]
        sigmoids *= 0.5
        sigmoids += 0.5
        candidate = gates[:, _SIGMOIDS:]
        candidate *= gates[:, :STATE_SIZE]
        cell *= gates[:, STATE_SIZE : 2 * STATE_SIZE]
        cell += candidate
        np.tanh(cell, out=hidden)
        hidden *= gates[:, 2 * STATE_SIZE : _SIGMOIDS]

    def probabilities(self, hidden: Samples) -> Samples:
        """Of speech, float32 [n], after the steps that left ``hidden``, float32 [n, 128]."""
        score: Samples = np.maximum(hidden, 0.0) @ self.output
        score += self.output_bias
        score *= 0.5
        np.tanh(score, out=score)
        score *= 0.5
        score += 0.5
        return score


def _rows(values: Samples, count: int, hop: int, width: int) -> Samples:
    """``count`` stretches of each row, ``hop`` values apart: contiguous [n, m] -> [n * count, width].

    Stretches overlap, which BLAS cannot read in place: the view is copied, all at once.
    """
    n, length = values.shape
    size = values.itemsize
    strides = (length * size, hop * size, size)
    view: Samples = np.ndarray((n, count, width), values.dtype, values, 0, strides)
    return view.reshape(n * count, width)


def _gates(columns: Samples) -> Samples:
    """The last axis from the file's order input, forget, cell, output into ours, sigmoids halved; halving is exact."""
    into, forget, cell, out = np.split(columns, 4, axis=-1)
    half = np.float32(0.5)
    return np.ascontiguousarray(
        np.concatenate([into * half, forget * half, out * half, cell], axis=-1)
    )


def _relu(product: Samples, bias: Samples) -> Samples:
    product += bias
    return np.maximum(product, 0.0, out=product)
