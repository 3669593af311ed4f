"""The first two convolutions, over growing audio: what they made of settled audio is kept and not computed again.

Moonshine evens out the loudness of the whole clip between the first convolution and the second: ``y = (x - mean) /
deviation`` over all channels and frames, then a scale and a shift for each channel. The mean changes with every new
sample, so ``y`` cannot be kept. But the second convolution is linear: with the channel scales folded into its weights,
``conv2(y) = conv2(x) / deviation + shift``, and ``conv2(x)`` of a frame depends on the 1 kB of audio below it alone.
That is a third of the encoder's work, most of which partial results would do again every half second.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.engines.onnx_graph import FLOAT, GraphBuilder
from speech_service.engines.recognizers.moonshine.ort_file import OrtFile

WIDTH = 288
_HOP_1, _KERNEL_1 = 64, 127
_HOP_2, _KERNEL_2 = 3, 7
_EPSILON = 1e-5
_SCALE, _SHIFT = "onnx::Mul_2080", "onnx::Add_2081"
"""Of the channels of the first convolution."""


def front_graph(encoder: OrtFile) -> bytes:
    """From audio to frames that are not evened out yet.

    Input ``samples`` float32 [1, 1, n]; outputs ``sound`` float32 [1, 288, s], s = 250 per second, and ``frames``
    float32 [1, 576, f], f = 83 per second.
    """
    build = GraphBuilder(encoder.tensors)
    samples = build.input("samples", FLOAT, (1, 1, "samples"))
    first = build.node("Conv", [samples, "conv1.weight_add_tensor"], ["conv1"], strides=[_HOP_1])
    sound = build.node("Tanh", [first], ["sound"])
    weights = build.constant("weights", _folded_weights(encoder))
    build.node("Conv", [sound, weights], ["frames"], strides=[_HOP_2])
    build.output("sound", FLOAT, (1, WIDTH, "sound"))
    build.output("frames", FLOAT, (1, 2 * WIDTH, "frames"))
    return build.model()


@dataclass(frozen=True, slots=True)
class Settled:
    """What is known of audio that will not change, whatever follows it. Immutable: several results may grow from it."""

    frames: Samples
    """float32 [576, f]."""
    total: float = 0.0
    """Sum over the values of the first convolution that those frames leave behind; ``squares``: of their squares."""
    squares: float = 0.0

    @property
    def samples(self) -> int:
        """From here on the audio is computed again."""
        return self.frames.shape[1] * _HOP_2 * _HOP_1


NOTHING_SETTLED = Settled(np.zeros((2 * WIDTH, 0), np.float32))


@dataclass(frozen=True, slots=True)
class Front:
    """Inputs of the encoder's graph."""

    frames: Samples
    """float32 [1, 576, f]."""
    scale: Samples
    """float32 [1]: one over the deviation."""
    shift: Samples
    """float32 [1, 576, 1]."""


class FrontNetwork:
    """Runs the front's graph; any number of threads may, at the same time."""

    def __init__(self, session: Any, encoder: OrtFile) -> None:
        """``session``: onnxruntime's, of ``front_graph(encoder)``."""
        self._session = session
        weights, folded = _array(encoder, "conv2.weight_add_tensor"), _folded_weights(encoder)
        shifted = (weights * _array(encoder, _SHIFT).reshape(1, WIDTH, 1)).sum(axis=(1, 2))
        self._still = shifted + _array(encoder, "conv2.bias")
        self._of_mean = folded.sum(axis=(1, 2))

    def hear(
        self, samples: Samples, settled: Settled = NOTHING_SETTLED, settles: int = 0
    ) -> tuple[Front, Settled]:
        """Run over what ``settled`` does not cover.

        Args:
            samples: the whole clip, float32 [n], its beginning the audio that ``settled`` came from.
            settled: of an earlier call.
            settles: so many samples at the beginning will be the same in a later call.

        Returns:
            The front of the whole clip, and what a later call may take for ``settled``.
        """
        rest = np.ascontiguousarray(samples[settled.samples :])
        outputs = self._session.run(["sound", "frames"], {"samples": rest[np.newaxis, np.newaxis]})
        sound, fresh = outputs[0][0], outputs[1][0]
        known = settled.frames.shape[1]
        frames = np.concatenate([settled.frames, fresh], axis=1)
        keep = max(known, _frame_count(settles))
        left_behind = _HOP_2 * (keep - known)
        total, squares = _sums(sound[:, :left_behind])
        kept = Settled(frames[:, :keep].copy(), settled.total + total, settled.squares + squares)
        total, squares = _sums(sound[:, left_behind:])
        count = WIDTH * (_HOP_2 * known + sound.shape[1])
        mean = (kept.total + total) / count
        scale = 1 / np.sqrt((kept.squares + squares) / count - mean**2 + _EPSILON)
        shift = (self._still - mean * scale * self._of_mean).astype(np.float32)
        front = Front(
            frames[np.newaxis], np.array([scale], np.float32), shift[np.newaxis, :, np.newaxis]
        )
        return front, kept


def _frame_count(samples: int) -> int:
    """Frames that lie in so many samples as a whole."""
    sound = (samples - _KERNEL_1) // _HOP_1 + 1
    return max(0, (sound - _KERNEL_2) // _HOP_2 + 1)


def _sums(values: Samples) -> tuple[float, float]:
    return float(values.sum(dtype=np.float64)), float(np.square(values).sum(dtype=np.float64))


def _folded_weights(encoder: OrtFile) -> Samples:
    """The second convolution's, with the channel scales before it: float32 [576, 288, 7]."""
    scales = _array(encoder, _SCALE).reshape(1, WIDTH, 1)
    return (_array(encoder, "conv2.weight_add_tensor") * scales).astype(np.float32)


def _array(encoder: OrtFile, name: str) -> Samples:
    tensor = encoder.tensors[name]
    return np.frombuffer(tensor.data, np.float32).reshape(tensor.shape)
